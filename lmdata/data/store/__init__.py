"""The run store: transactions, forks, checkpoints, locks, and the icechunk repositories below them."""

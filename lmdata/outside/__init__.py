"""States of tokens that were computed elsewhere, as datasets of lmdata."""

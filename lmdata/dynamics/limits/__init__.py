"""The sensitivity axis of a start, walked in intervals, and proofs that limits are limits."""

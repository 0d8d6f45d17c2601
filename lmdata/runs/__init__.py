"""Runs: recipes, members of a sweep, the runner that drives the kernels, and the workers that share the work."""

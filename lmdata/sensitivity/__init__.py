"""Every alignment sensitivity at once: the finite list of trajectories over an axis, and limits that are proved."""

"""Pictures of a dataset: holoviews functions and the panel dashboard."""

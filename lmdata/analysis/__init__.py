"""Measures of a dataset: lazy, labelled, one file a measure."""

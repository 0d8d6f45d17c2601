"""Labelled datasets and analysis for attention dynamics."""

__version__ = "0.1.0"

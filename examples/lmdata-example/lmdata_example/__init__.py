"""What one package adds to lmdata: a model, a token source, a measure, a pipeline and a catalogue."""

from pathlib import Path

CATALOG = Path(__file__).with_name("catalog.yaml")
"""The datasets that have names once this package is installed."""

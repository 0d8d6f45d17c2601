"""The variable registry, the run store and the catalogue; knows no mathematics."""

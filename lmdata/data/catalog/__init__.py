"""The catalogue: files of entries, the cache of what was built from them, and exports for other programs."""

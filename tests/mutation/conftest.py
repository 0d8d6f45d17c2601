"""The bugs are planted on demand (`python tests/mutation/run.py`), not by pytest."""

collect_ignore_glob = ["*.py"]

"""Backups that are proved: made, verified, drilled, restored.

A repository holds backups, a folder or a bucket; `repository.py` says how they lie in it.
Each has a record (`model.py`) and a manifest of what the source held at its moment
(`manifest.py`), taken in the same snapshot, with which a drill compares exactly.
"""

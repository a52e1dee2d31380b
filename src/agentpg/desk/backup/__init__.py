"""Backups that are proved: made, verified, drilled, restored.

`creating.py`, `verifying.py`, `drilling.py` and `pruning.py` are the same for every kind; what
they need lies in rooms: `making/` the files of each kind, `storage/` where backups lie, `proof/`
what the source held and whether a restore holds it too, `recovery/` base backups and archived
WAL, `pgbackrest/`, `restore/` into databases, `inspection/` the findings.

Each backup has a record (`model.py`) and a manifest of what the source held at its moment
(`proof/manifest.py`), taken in the same snapshot, with which a drill compares exactly.
"""

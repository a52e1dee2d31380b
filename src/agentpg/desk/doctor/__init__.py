"""Diagnosis: rooms that each look at one side of an installation, and say findings.

A room is a module with a function `examine(database, settings)` and its `CHECKS`, listed in
`rooms.py`. It raises nothing for what it cannot look at: that is a finding of level unknown.
"""

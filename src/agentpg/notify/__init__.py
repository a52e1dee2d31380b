"""Telling people: what an alert is, when it is told to whom, and how it gets there.

Values and decisions are pure (`condition`, `alert`, `deciding`, `policy`); `kept` has them in
the database, and `sending` takes a message to its contact without one.
"""

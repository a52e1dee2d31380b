"""Inputs that nobody thought of, for everything of ours that reads what others wrote.

`targets.py` has the readers, `__main__.py` feeds them, guided by the coverage of our code, and
`regressions/` has what once broke one: the ordinary tests feed all of these again.

    python -m tests.fuzz --minutes 10
    python -m tests.fuzz --target hba --minutes 1
"""

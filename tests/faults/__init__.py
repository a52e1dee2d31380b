"""Faults that are made for real, and what the whole doctor says first of each.

python -m tests.faults                 all of them, as a table: what, how, what was said, right?
python -m tests.faults --only D03 C24  those that must give these codes
python -m tests.faults --only psql     those that are called like that

It needs root, for disks of its own. Each is made in an installation that is healthy otherwise, of
which the doctor must say nothing; 95 % must be named with the right cause as the first finding.
"""

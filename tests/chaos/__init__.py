"""Chaos: real work goes on while workers, server, network, disk, clock and pooler fail.

    python -m tests.chaos --minutes 10 --seed 7
    python -m tests.chaos --minutes 2 --only killed-worker full-disk

After each fault, and at the end, nothing is lost, recorded twice, stuck or wrongly blamed.
"""

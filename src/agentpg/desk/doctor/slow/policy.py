"""From where on the doctor calls something slow: the thresholds, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from agentpg.desk.check import exactly
from agentpg.settings import Settings

# What is critical lasts so many times as long as what is a warning.
_CRITICAL = 6

_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """From where on a finding is a warning, and from where on critical; shares are 0 to 1."""

    # Who waits for ten seconds is noticed by people; more than five that wait are a queue.
    wait: timedelta = timedelta(seconds=10)
    blocked: int = 5

    # A minute is longer than anybody waits for an answer.
    query: timedelta = timedelta(minutes=1)

    # Longer, and what it holds is missed by others: locks, and dead rows that stay.
    transaction: timedelta = timedelta(minutes=5)
    idle: timedelta = timedelta(minutes=1)
    prepared: timedelta = timedelta(minutes=5)
    prepared_critical: timedelta = timedelta(hours=1)

    # Ten million transactions, or an hour, of dead rows that nothing removes.
    horizon: int = 10_000_000
    horizon_critical: int = 100_000_000
    holding: timedelta = timedelta(hours=1)
    holding_critical: timedelta = timedelta(hours=6)

    # A full table of locks fails statements of everybody.
    locks: float = 0.2
    locks_critical: float = 0.5

    # More than half that wait for the same is no chance.
    waiting_alike: float = 0.5
    waiting_least: int = 4

    # Deadlocks end themselves; more than so many a minute are a fault of the order of locks.
    deadlocks_a_minute: float = 5.0

    # A statement is slow by what a call takes, often enough, and matters by its share of all
    # time. The figures that most tools take: 50 ms in 50 calls; what gives many rows may take more.
    slow_milliseconds: float = 50.0
    slow_calls: int = 50
    row_milliseconds: float = 0.5
    very_slow_milliseconds: float = 1000.0
    very_slow_calls: int = 3
    share: float = 0.1
    share_warning: float = 0.3
    slower: float = 3.0

    # So many evictions an hour, of a twentieth of the statements each, and the counts are few.
    evictions_an_hour: float = 1.0

    temp_bytes_an_hour: int = _GIB

    # Checkpoints that WAL forces come too early; below ten there is nothing to say.
    requested: float = 0.3
    requested_warning: float = 0.6
    least_checkpoints: int = 10

    # With less from memory than that, and real time spent with reading.
    from_memory: float = 0.95
    from_memory_warning: float = 0.9
    least_reads: int = 10_000
    reading: float = 0.2

    # What went wrong longer ago is seen to, or comes again.
    lately: timedelta = timedelta(hours=1)

    # While a table is as small, the planner may take any way to its rows.
    small_table_bytes: int = 8 * 1024**2

    @property
    def wait_critical(self) -> timedelta:
        """From when on a wait for a lock is critical."""
        return self.wait * _CRITICAL

    @property
    def query_warning(self) -> timedelta:
        """From when on a long query is a warning; by itself it is never critical."""
        return self.query * _CRITICAL

    @property
    def transaction_critical(self) -> timedelta:
        """From when on a long transaction is critical."""
        return self.transaction * _CRITICAL

    @property
    def idle_critical(self) -> timedelta:
        """From when on a transaction that idles is critical."""
        return self.idle * _CRITICAL

    @property
    def thresholds(self) -> dict[str, str]:
        """Those that settings say, as findings show them, by code."""
        return {
            "S01": f"> {exactly(self.wait)}, blocked > {self.blocked} / "
            f"> {exactly(self.wait_critical)} (slow_wait)",
            "S02": f"> {exactly(self.query_warning)} / – (slow_query); info > "
            f"{exactly(self.query)}",
            "S03": f"> {exactly(self.transaction)} / > {exactly(self.transaction_critical)} "
            "(slow_transaction)",
            "S04": f"> {exactly(self.idle)} / > {exactly(self.idle_critical)} (slow_idle)",
        }


def policy_of(settings: Settings) -> Policy:
    """The policy of the settings."""
    return Policy(
        wait=settings.slow_wait,
        query=settings.slow_query,
        transaction=settings.slow_transaction,
        idle=settings.slow_idle,
    )

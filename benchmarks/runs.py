"""Interleaved runs: ours, peer, ours, peer, so that both of a pair meet the same weather."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agentpg.errors import AgentpgError
from benchmarks.facts import load
from benchmarks.roster import FAST, OURS, Competitor, PeerFailed
from benchmarks.server import BenchServer
from benchmarks.work import Scene, Work

Say = Callable[[str], None]

# Who has failed so often at a work is left out of the rest of it.
_FAILURES = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement: which pair it belongs to, and what came of it.

    `rival` is None where a work is not paired: then all of one round belong together.
    `failed` says why there are no figures.
    """

    work: str
    pair: int
    rival: str | None
    peer: str
    full_size: bool
    load: float
    figures: dict[str, float]
    failed: str | None = None

    @property
    def reason(self) -> str:
        """Why it failed, on one line: what went wrong, and the end of what the peer said."""
        lines = (self.failed or "").strip().splitlines() or [""]
        return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"


@dataclass(frozen=True, slots=True)
class Turn:
    """Who is to be measured next."""

    pair: int
    rival: str | None
    peer: Competitor
    full_size: bool


def measure_work(
    server: BenchServer, peers: list[Competitor], work: Work, pairs: int, say: Say
) -> Iterator[Measured]:
    """A work, for as many pairs of ours and each rival, or as many rounds of all."""
    failures: Counter[str] = Counter()
    for turn in turns(work, peers, pairs):
        if failures[turn.peer.key] >= _FAILURES or failures[turn.rival or ""] >= _FAILURES:
            continue
        measured = _measure(server, work, turn)
        failures[turn.peer.key] += measured.failed is not None
        say(_line(measured, pairs))
        yield measured


def turns(work: Work, peers: list[Competitor], pairs: int) -> Iterator[Turn]:
    """In which order the peers are measured; who begins changes from pair to pair."""
    chosen = [peer for peer in peers if work.takes_part(peer)]
    ours = next((peer for peer in chosen if peer.key == OURS), None)
    rivals = [peer for peer in chosen if peer.key != OURS]
    for pair in range(pairs):
        if work.paired and ours and rivals:
            for rival in rivals:
                couple = (ours, rival) if pair % 2 == 0 else (rival, ours)
                yield from (Turn(pair, rival.key, peer, rival.key in FAST) for peer in couple)
        else:
            all_rounds = work.rival_rounds is None or pair < work.rival_rounds
            in_turn = [peer for peer in chosen if all_rounds or peer is ours]
            in_turn = in_turn if pair % 2 == 0 else in_turn[::-1]
            yield from (Turn(pair, None, peer, peer.key in FAST) for peer in in_turn)


def _measure(server: BenchServer, work: Work, turn: Turn) -> Measured:
    busy, figures, failed = load(), {}, None
    try:
        figures = work.measure(Scene(turn.peer, server, turn.pair, turn.full_size))
    except (PeerFailed, TimeoutError, AgentpgError) as error:
        failed = str(error)
    return Measured(
        work=work.key,
        pair=turn.pair,
        rival=turn.rival,
        peer=turn.peer.key,
        full_size=turn.full_size,
        load=busy,
        figures=figures,
        failed=failed,
    )


def _line(measured: Measured, pairs: int) -> str:
    head = f"{measured.pair + 1}/{pairs}  {measured.work:10}  {measured.peer:14}"
    if measured.failed is not None:
        return f"{head}  failed: {measured.reason}"
    return head + "".join(f"  {value:,.4g}" for value in measured.figures.values())

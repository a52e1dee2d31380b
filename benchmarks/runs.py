"""Interleaved runs: ours, peer, ours, peer, so that both of a pair meet the same weather."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.facts import load
from benchmarks.roster import OURS, Competitor
from benchmarks.server import BenchServer
from benchmarks.work import Stage, Work

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement: which pair it belongs to, and what came of it."""

    work: str
    pair: int
    rival: str
    peer: str
    load: float
    figures: dict[str, float]


def measure_all(
    server: BenchServer, peers: list[Competitor], works: list[Work], pairs: int, say: Say
) -> Iterator[Measured]:
    """Every work, for as many pairs of ours and each rival. Raises PeerFailed."""
    for work in works:
        for pair in range(pairs):
            for first, second in _duels(peers, pair):
                rival = second.key if first.key == OURS else first.key
                for peer in dict.fromkeys((first, second)):
                    measured = Measured(
                        work=work.key,
                        pair=pair,
                        rival=rival,
                        peer=peer.key,
                        load=load(),
                        figures=measure_once(server, peer, work),
                    )
                    say(_line(measured, pairs))
                    yield measured


def measure_once(server: BenchServer, peer: Competitor, work: Work) -> dict[str, float]:
    """One work by one peer, in a database of its own."""
    with server.fresh_database() as watch:
        stage = Stage(peer, server, watch)
        stage.ask("install")
        return work.measure(stage)


def _duels(peers: list[Competitor], pair: int) -> list[tuple[Competitor, Competitor]]:
    """Ours against each other one; who begins changes from pair to pair."""
    ours = [peer for peer in peers if peer.key == OURS]
    rivals = [peer for peer in peers if peer.key != OURS]
    if not ours or not rivals:
        return [(peer, peer) for peer in peers]
    couples = [(ours[0], rival) for rival in rivals]
    return couples if pair % 2 == 0 else [(rival, own) for own, rival in couples]


def _line(measured: Measured, pairs: int) -> str:
    key, value = next(iter(measured.figures.items()))
    return f"{measured.pair + 1}/{pairs}  {key:12}  {measured.peer:14}  {value:12,.1f}"

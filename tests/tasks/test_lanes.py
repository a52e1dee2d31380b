"""The decision which lanes a claim takes how many tasks from."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest

from agentpg.tasks.lanes import (
    MARK,
    PLAIN,
    Lane,
    Rule,
    Running,
    Scene,
    decide,
    groups_of,
    handler_of,
    ranges,
    seconds_to_open,
    tenant_of,
)

pytestmark = pytest.mark.without_server


def name(tenant: str = "", *groups: str, agent: str = "A", task_type: str = "t") -> str:
    return MARK.join([agent, task_type, tenant, *groups, ""])


def lane(tenant: str = "", *groups: str, due: Mapping[int, int] | int = 100) -> Lane:
    return Lane(name(tenant, *groups), {100: due} if isinstance(due, int) else due)


def running(tasks: int, lane: str | None) -> Running:
    agent, task_type = handler_of(lane) if lane else ("A", "t")
    return Running(agent, task_type, lane, tasks)


def shares(scene: Scene, room: int = 10, slots: int = 10) -> dict[str, int]:
    return dict(decide(scene, room, slots).shares)


def test_tenants_share_evenly() -> None:
    scene = Scene([], [], [lane("big", due=1000), lane("small", due=2), Lane(PLAIN, {100: 50})])
    assert shares(scene) == {name("big"): 4, name("small"): 2, PLAIN: 4}


def test_who_has_fewest_running_comes_first() -> None:
    scene = Scene([], [running(6, name("big"))], [lane("big"), lane("other")])
    assert shares(scene, 6) == {name("other"): 6}
    assert shares(scene, 10) == {name("big"): 2, name("other"): 8}


def test_the_lanes_of_one_tenant_share_its_turns() -> None:
    mine = [Lane(name("mine", agent=agent), {100: 100}) for agent in ("A", "B", "C")]
    found = shares(Scene([], [], [*mine, lane("other")]), 12)
    assert found[name("other")] == 6
    assert sum(found.values()) == 12


def test_priority_comes_before_turns() -> None:
    urgent = lane("big", due={1: 8, 100: 100})
    scene = Scene([], [running(50, name("big"))], [urgent, lane("other")])
    assert shares(scene) == {name("big"): 8, name("other"): 2}


def test_a_limit_leaves_its_places_to_others() -> None:
    rules = [Rule(1, "A", None, 3, None)]
    scene = Scene(rules, [running(1, name("", "1"))], [lane("", "1"), Lane(PLAIN, {100: 50})])
    assert shares(scene) == {name("", "1"): 2, PLAIN: 8}
    assert decide(scene, 10, 10).held_back


def test_each_value_of_a_key_has_a_limit_of_its_own() -> None:
    rules = [Rule(4, "A", None, 2, None)]
    scene = Scene(rules, [running(1, name("", "4=x"))], [lane("", "4=x"), lane("", "4=y")])
    assert shares(scene) == {name("", "4=x"): 1, name("", "4=y"): 2}


def test_a_rate_counts_what_was_started() -> None:
    rules = [Rule(4, "A", None, None, 5, {"x": (4, 1.5), "y": (5, 0.25), "z": (5, 9.0)})]
    scene = Scene(rules, [], [lane("", "4=x"), lane("", "4=y"), lane("", "4=w")])
    assert shares(scene, 20, 20) == {name("", "4=x"): 1, name("", "4=w"): 5}
    assert seconds_to_open(scene) == 0.25


def test_what_is_limited_waits_for_a_slot() -> None:
    scene = Scene([Rule(1, "A", None, 9, None)], [], [lane("", "1"), Lane(PLAIN, {100: 20})])
    assert shares(scene, 10, 1) == {name("", "1"): 1, PLAIN: 9}


def test_a_lane_from_before_a_limit_gives_nothing() -> None:
    rules = [Rule(1, "A", None, 3, None)]
    scene = Scene(rules, [], [lane("x"), lane("x", "1"), lane("y", "1", "2")])
    assert shares(scene) == {name("x", "1"): 3}
    assert scene.stale_lanes() == [name("x"), name("y", "1", "2")]


def test_while_something_runs_uncounted_its_agent_waits() -> None:
    rules = [Rule(1, "A", None, 3, None)]
    scene = Scene(rules, [running(1, None)], [lane("x", "1"), Lane(name("x", agent="B"), {1: 1})])
    assert shares(scene) == {name("x", agent="B"): 1}
    assert decide(scene, 10, 10).held_back


def test_no_limit_is_exceeded_and_no_place_stays_empty() -> None:
    chance = random.Random(11)
    for _ in range(1500):
        scene = made_up(chance)
        room, slots = chance.randint(0, 30), chance.randint(0, 30)
        decision = decide(scene, room, slots)
        assert_sound(scene, decision.shares, room, slots)


def made_up(chance: random.Random) -> Scene:
    rules = [
        Rule(1, "A", None, chance.choice([None, 1, 4, 30]), chance.choice([2, 9])),
        Rule(2, "A", "t", chance.randint(1, 6), None),
    ]
    rules[0] = Rule(1, "A", None, rules[0].concurrency, rules[0].rate, {
        value: (chance.randint(0, 9), chance.random()) for value in "xy"
    })  # fmt: skip
    lanes = [
        Lane(name(tenant, f"1={value}", "2"), {p: chance.randint(1, 9) for p in priorities})
        for tenant in ("", "red", "blue")
        for value in "xyz"
        if (priorities := chance.sample([0, 5, 100], chance.randint(0, 3)))
    ]
    others = [Lane(name(tenant, agent="B"), {100: chance.randint(1, 40)}) for tenant in "uv"]
    held = [
        running(chance.randint(1, 5), one.name) for one in chance.sample(lanes, len(lanes) // 2)
    ]
    return Scene(rules, held, [*lanes, *chance.sample(others, 1), Lane(PLAIN, {50: 3})])


def assert_sound(scene: Scene, shares: Mapping[str, int], room: int, slots: int) -> None:
    due = {one.name: sum(one.due.values()) for one in scene.lanes}
    assert all(0 < shares[one] <= due[one] for one in shares)
    assert sum(shares.values()) <= room
    limited = sum(number for one, number in shares.items() if groups_of(one))
    assert limited <= slots
    started: Counter[str] = Counter()
    for one, number in shares.items():
        for group in groups_of(one):
            started[group] += number
    free = scene.free()
    assert all(started[group] <= max(free[group], 0) for group in started)
    if sum(shares.values()) == room:
        return
    for one, tasks in due.items():
        could = tasks > shares.get(one, 0)
        allowed = all(started[group] < free[group] for group in groups_of(one))
        slot = not groups_of(one) or limited < slots
        assert not (could and allowed and slot), one


@pytest.mark.parametrize("start", ["", name("m"), name("m", "3"), "zzz", "A", "B" + MARK])
def test_ranges_go_once_round(start: str) -> None:
    lanes = sorted(
        name(tenant, agent=agent) for agent in ("A", "B", "C D") for tenant in ("", "m", "z")
    )
    handlers = [f"{agent}{MARK}t" for agent in ("B", "A", "C D")]
    lows, highs = ranges(handlers, start)
    found = [
        one for low, high in zip(lows, highs, strict=True) for one in lanes if low < one <= high
    ]
    assert sorted(found) == lanes
    behind = [one for one in found if one > start]
    assert found[: len(behind)] == [one for one in lanes if one > start]


def test_a_lane_s_name_tells_all() -> None:
    assert handler_of(name("acme", "3", "4=x")) == ("A", "t")
    assert tenant_of(name("acme", "3")) == "acme"
    assert groups_of(name("acme", "3", "4=x")) == ["3", "4=x"]
    assert groups_of(PLAIN) == []

"""Alert rules over metrics that were really scraped: promtool lets their time go by.

A case is a rule with three scrapes: while all is well, while the rule's condition is there, and
afterwards. The rule's own expression and its `for` are evaluated by promtool once a minute. What
has to last longer than a test goes on in promtool's own notation: a time that grows by the clock,
or what was done once and is done again each minute.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from prometheus_client.parser import text_string_to_metric_families

from agentpg.desk.monitor.metrics.shipped import rules_text

Series = tuple[str, tuple[tuple[str, str], ...]]

# What Prometheus adds to all that it scrapes from one place.
_PLACE = {"instance": "db:9187", "job": "agentpg"}

_NAME = re.compile(r"\b(?:pg|agentpg)_[a-z_]+\b")
_USED_LABEL = re.compile(r"\$labels\.(\w+)")

# The longest window of a rule is an hour, but for the standbys of a day.
_WELL_MINUTES, _AFTER_MINUTES = 20, 70

# It is said with each scrape, so it only stands where nobody writes the file.
_WRITTEN = "agentpg_metrics_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Scrape:
    """What was scraped, and when."""

    at: float
    values: Mapping[Series, float]


def scraped(text: str, at: float | None = None) -> Scrape:
    """The samples of a text as Prometheus is given it."""
    values = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return Scrape(time.time() if at is None else at, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A rule, the labels by which it must name the culprit, and the scrapes.

    The condition lasts so many minutes, and must fire after `fires`. `grows` says what goes on
    while it lasts: `by the clock`, where `later` was scraped a moment after `sick`; or `again`,
    what lies between `well` and `sick` each minute.
    """

    alert: str
    well: Scrape
    sick: Scrape
    after: Scrape
    labels: Mapping[str, str] = field(default_factory=dict)
    grows: Literal["", "by the clock", "again"] = ""
    later: Scrape | None = None
    minutes: int = 30
    fires: int = 25


def shipped_rules() -> dict[str, dict[str, Any]]:
    """The rules as they are shipped, by name."""
    document = import_module("yaml").safe_load(rules_text())
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"]}


def used_labels(rule: Mapping[str, Any]) -> set[str]:
    """The labels that a rule's texts name."""
    return set(_USED_LABEL.findall(json.dumps(rule["annotations"]))) - {"instance"}


def promtool_says(promtool: str, cases: Sequence[Case], folder: Path) -> tuple[int, str]:
    """The exit code and the words of promtool's test of these cases."""
    rules = shipped_rules()
    for case in cases:
        _write(case, rules[case.alert], folder)
    done = subprocess.run(
        [promtool, "test", "rules", *(f"{case.alert}.test.yml" for case in cases)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _write(case: Case, rule: Mapping[str, Any], folder: Path) -> None:
    """The rule alone, as promtool evaluates all that it is given, and its test."""
    # Texts are compared as well, and have the values of the moment.
    bare = {name: value for name, value in rule.items() if name != "annotations"}
    file = f"{case.alert}.yml"
    (folder / file).write_text(json.dumps({"groups": [{"name": "one", "rules": [bare]}]}))
    document = {
        "rule_files": [file],
        "evaluation_interval": "1m",
        "tests": [_test(case, rule)],
    }
    (folder / f"{case.alert}.test.yml").write_text(json.dumps(document))


def _test(case: Case, rule: Mapping[str, Any]) -> dict[str, Any]:
    labels = {**_PLACE, **rule["labels"], **case.labels}
    over = _WELL_MINUTES + case.minutes + _AFTER_MINUTES - 1
    return {
        "name": case.alert,
        "interval": "1m",
        "input_series": list(_series(case, rule)),
        "alert_rule_test": [
            {"eval_time": f"{_WELL_MINUTES - 1}m", "alertname": case.alert, "exp_alerts": []},
            {
                "eval_time": f"{_WELL_MINUTES + case.fires}m",
                "alertname": case.alert,
                "exp_alerts": [{"exp_labels": labels}],
            },
            {"eval_time": f"{over}m", "alertname": case.alert, "exp_alerts": []},
        ],
    }


def _series(case: Case, rule: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    names = set(_NAME.findall(rule["expr"]))
    phases = (case.well, case.sick, case.after)
    keys = dict.fromkeys(key for one in phases for key in one.values if key[0] in names)
    for key in keys:
        labels = ",".join(f"{name}={json.dumps(value)}" for name, value in _labels(key).items())
        yield {"series": f"{key[0]}{{{labels}}}", "values": " ".join(_phases(case, key))}


def _labels(key: Series) -> dict[str, str]:
    return {**dict(key[1]), **_PLACE}


def _phases(case: Case, key: Series) -> Iterator[str]:
    lasting = ((case.well, _WELL_MINUTES), (case.sick, case.minutes), (case.after, _AFTER_MINUTES))
    begun = 0
    for scrape, minutes in lasting:
        value = scrape.values.get(key)
        if value is None:
            # What is no longer told is stale at once.
            yield "stale" + (f" _x{minutes - 1}" if minutes > 1 else "")
        else:
            if key[0].endswith("timestamp_seconds"):
                # A moment, of which promtool begins at 0.
                value = value - scrape.at + begun * 60
            grows = _growth(case, key) if scrape is case.sick else 0.0
            if key[0] == _WRITTEN and scrape is not case.sick:
                grows = 60.0
            yield f"{value:.6f}{grows:+.6f}x{minutes - 1}"
        begun += minutes


def _growth(case: Case, key: Series) -> float:
    """How much more it is each minute while the condition lasts."""
    now = case.sick.values[key]
    if case.grows == "again":
        return max(now - case.well.values.get(key, 0.0), 0.0)
    if case.grows == "by the clock" and case.later is not None:
        passed = case.later.at - case.sick.at
        grown = case.later.values.get(key, now) - now
        # It does as the clock does, but for how long a scrape takes, or stands.
        assert grown == 0 or 0 < grown < passed + 5, (key, grown, passed)
        return 60.0 if grown else 0.0
    return 0.0

"""What goes with the metrics: a dashboard for Grafana and alert rules for Prometheus."""

from __future__ import annotations

from importlib import resources


def dashboard_text() -> str:
    """The dashboard, as Grafana imports it."""
    return _read("dashboard.json")


def rules_text() -> str:
    """The alert rules, as a rule file of Prometheus."""
    return _read("rules.yml")


def _read(name: str) -> str:
    return (resources.files(__package__ or "") / name).read_text(encoding="utf-8")

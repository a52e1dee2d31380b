"""The server's disk is full."""

from __future__ import annotations

from tests.chaos.stage import Blow, Fault, Stage
from tests.waiting import eventually


def strike(stage: Stage) -> Blow:
    """Leave no room until the server says so, then make some; start it if it gave up."""
    before = _said(stage)
    stage.ground.disk.fill()
    eventually(lambda: _said(stage) > before, message="the server feels that its disk is full")
    seconds = stage.some_seconds(2, 8)
    stage.ground.disk.empty()
    gave_up = not stage.ground.server.status().running
    stage.ground.server.start()
    end = ", until the server gave up" if gave_up else ""
    return Blow(f"no room for {seconds:.1f} s{end}")


def _said(stage: Stage) -> int:
    """How often the server has said that there is no room."""
    log = stage.ground.server.status().log
    return log.read_text(encoding="utf-8", errors="replace").count("No space left on device")


def missing(stage: Stage) -> str:
    """Only root can make a file system."""
    return "" if stage.ground.disk.own else "no file system can be mounted here"


FULL_DISK = Fault("full-disk", strike, missing)

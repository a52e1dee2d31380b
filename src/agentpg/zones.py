"""Time zones by their names in the IANA data base, the same on every machine."""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones

# What systems keep beside the zones: this machine's own, an unset one, and copies, of which
# some count leap seconds.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})
_NO_ZONES_BELOW = ("posix/", "right/")


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name. Raises ValueError where there is none."""
    try:
        zone = ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError(str(error)) from None
    if name in _NO_ZONES or name.startswith(_NO_ZONES_BELOW):
        raise ValueError(f"{name} is no zone of its own")
    return zone


def zone_names() -> set[str]:
    """The names of all zones that this machine knows."""
    return available_timezones() - _NO_ZONES

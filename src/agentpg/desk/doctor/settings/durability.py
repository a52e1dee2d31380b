"""The settings that keep what was committed, and what is proposed where one does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentpg.desk.check import Unlooked
from agentpg.desk.doctor.settings.facts import Facts
from agentpg.desk.doctor.settings.proposal import Proposal, proposal_of
from agentpg.desk.finding import Level
from agentpg.language import N_

# What keeps what was committed: the safe value, and how bad another one is.
_DURABLE: Mapping[str, tuple[str, Level]] = {
    "fsync": ("on", "critical"),
    "full_page_writes": ("on", "critical"),
    "zero_damaged_pages": ("off", "critical"),
    "ignore_checksum_failure": ("off", "critical"),
    "synchronous_commit": ("on", "warning"),
}


def is_about_durability(name: str) -> bool:
    """Whether what was committed is less safe with some values of this setting."""
    return name in _DURABLE


def lowers_durability(name: str, value: str) -> bool:
    """Whether a setting of this value makes what was committed less safe."""
    safe = _DURABLE.get(name)
    if safe is None:
        return False
    # The server takes the beginnings of words, too, where they are of one alone.
    said = value.strip().lower()
    words = ("off", "false", "no", "0", "local") if safe[0] == "on" else ("on", "true", "yes", "1")
    return said not in ("", "o") and any(word.startswith(said) for word in words)


def propose_durability(facts: Facts) -> Iterator[Proposal]:
    """The safe values of what has others."""
    whys = {
        "fsync": N_("a crash of the machine can destroy the whole cluster"),
        "full_page_writes": N_("a crash can leave pages half written, beyond repair"),
        "zero_damaged_pages": N_("a damaged page is emptied without a word"),
        "ignore_checksum_failure": N_("damaged pages are read as if they were whole"),
        "synchronous_commit": N_("a crash loses what was committed in the last moments"),
    }
    for name, (safe, usual) in _DURABLE.items():
        one = facts.setting(name)
        if one is not None and lowers_durability(name, one.value):
            source = "PostgreSQL manual: Write Ahead Log and Developer Options"
            why, level = whys[name], usual
            asked = name == "synchronous_commit" and _names_standbys(facts)
            if name == "full_page_writes" and (stated := _stated(facts)):
                why, level, asked = stated, "warning", True
            yield proposal_of(one, safe, "durability", why, source, level=level, asked=asked)


def _stated(facts: Facts) -> str:
    """Why full_page_writes may be off on purpose; empty where it may not."""
    machine = facts.kernel
    kind = None if isinstance(machine, Unlooked) else machine.file_system
    if kind == "zfs":
        return N_(
            "on ZFS no page is half written, as long as no copy is made on another file system"
        )
    if kind is None:
        return N_(
            "a crash can leave pages half written, unless the file system is ZFS: not known here"
        )
    return ""


def _names_standbys(facts: Facts) -> bool:
    """Whether commits would wait for standbys: for ever, where those are gone."""
    one = facts.setting("synchronous_standby_names")
    return one is not None and one.value.strip() != ""

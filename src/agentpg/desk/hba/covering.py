"""Lines that no connection comes to, since an earlier one takes all that they would."""

from __future__ import annotations

from collections.abc import Sequence

from agentpg.desk.hba.matching import Known, network_of
from agentpg.desk.hba.reading import Field, Line, Word

# Which ways each kind of line takes: the socket, plain, with TLS, with Kerberos' encryption.
_WAYS = {
    "local": "L",
    "host": "nsg",
    "hostssl": "s",
    "hostnossl": "ng",
    "hostgssenc": "g",
    "hostnogssenc": "ns",
}


def unreachable(lines: Sequence[Line], known: Known) -> dict[int, Line]:
    """The positions of such lines, each with the line that takes all of it."""
    found: dict[int, Line] = {}
    for at, line in enumerate(lines):
        earlier = next((one for one in lines[:at] if covers(one, line, known)), None)
        if earlier is not None:
            found[at] = earlier
    return found


def covers(earlier: Line, later: Line, known: Known) -> bool:
    """Whether all that the later line fits, the earlier one does."""
    ways = _WAYS.get(earlier.kind, ""), _WAYS.get(later.kind, "")
    if not ways[1] or not set(ways[1]) <= set(ways[0]):
        return False
    if earlier.kind != "local" and not _takes_address(earlier, later):
        return False
    return _takes_databases(earlier.databases, later.databases) and _takes_roles(
        earlier.roles, later.roles, known
    )


def _takes_address(earlier: Line, later: Line) -> bool:
    if len(earlier.fields) < 4 or len(later.fields) < 4:
        return False
    if earlier.fields[3][0].means("all"):
        return True
    wide, narrow = network_of(earlier), network_of(later)
    if wide is None or narrow is None:
        return wide is narrow and earlier.fields[3] == later.fields[3]
    same = wide[2] == narrow[2] and wide[1] & narrow[1] == wide[1]
    return same and narrow[0] & wide[1] == wide[0]


def _takes_databases(wide: Field, narrow: Field) -> bool:
    all_of_them = any(word.means("all") for word in wide)
    return all((all_of_them and not word.means("replication")) or word in wide for word in narrow)


def _takes_roles(wide: Field, narrow: Field, known: Known) -> bool:
    if any(word.means("all") for word in wide):
        return True
    return all(word in wide or _is_member(word, wide, known) for word in narrow)


def _is_member(word: Word, wide: Field, known: Known) -> bool:
    groups = known.groups.get(word.text, frozenset())
    if word.text.startswith(("+", "/")) or word.means("all"):
        return False
    asked = {one.text[1:] for one in wide if not one.quoted and one.text.startswith("+")}
    return bool(asked & groups)

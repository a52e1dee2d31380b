"""The chain of the log, followed entry by entry: what it must be, computed without the server.

A link is an entry as texts. Its hash is SHA-256 of the hash before and of its fields, each behind
its length in bytes and a colon, NULL as a tilde, with commas between them; `sql/schema.sql` says
the same in `audit_hash`. Nothing of the chain is held but its end, so any length can be followed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

NO_HASH = bytes(32)
FORM = "1"

Kind = Literal["changed", "missing", "moved", "added", "cut", "head", "other", "form"]

# Where an entry is looked for that stands at another's place.
_FARTHEST_MOVE = 10_000

_ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it is hashed: `fields` are form, number, moment and all that was said."""

    number: int
    fields: tuple[str | None, ...]
    previous_hash: bytes
    hash: bytes

    def digest(self, number: int | None = None) -> bytes:
        """The hash that it must have; with a number, if that were its own."""
        fields = list(self.fields)
        if number is not None:
            fields[1] = str(number)
        return hashlib.sha256(self.previous_hash + _canonical(fields)).digest()


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in the chain that was seen: whoever keeps it elsewhere can prove a later change."""

    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The one that was printed. Raises ValueError."""
        found = _ANCHOR.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(text)
        return cls(int(found[1]), bytes.fromhex(found[2]))


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain breaks first, and how.

    `number` is the entry's, `until` the last one of several that are missing, or the number that a
    moved entry had. Kinds: `changed` its text is not what was hashed; `missing` entries lack before
    others, `cut` at the end; `moved` it stood elsewhere; `added` the log itself did not add it;
    `head` the head is not that of the last entry; `other` it is not the entry that was seen there
    before; `form` a newer release has written it.
    """

    kind: Kind
    number: int
    until: int | None = None


@dataclass(slots=True)
class Chain:
    """The chain as far as it was followed; it begins behind `start`.

    `seen` are places that must be passed.
    """

    start: Anchor = Anchor(0, NO_HASH)
    seen: Sequence[Anchor] = ()
    end: Anchor = field(init=False)
    _before: bytes | None = field(init=False, default=None)
    _ahead: dict[int, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.end = self.start
        self._ahead = {one.number: one.hash for one in self.seen if one.number > self.start.number}

    def follow(self, link: Link) -> Break | None:
        """Go on to the next entry; the break, where there is one. Then go no farther."""
        number = self.end.number + 1
        if link.number > number:
            return Break("missing", number, link.number - 1)
        if link.number < number:
            return Break("added", link.number)
        broken = self._fault(link)
        if broken is None:
            self._before, self.end = self.end.hash, Anchor(number, link.hash)
            expected = self._ahead.pop(number, None)
            if expected is not None and expected != link.hash:
                broken = Break("other", number)
        return broken

    def finish(self, head: Anchor | None) -> Break | None:
        """No entry is left: whether the head and all that was seen agree."""
        last = self.end.number
        if self._ahead:
            return Break("cut", last + 1, max(self._ahead))
        if head is None:
            return Break("head", last) if last else None
        if head.number > last:
            return Break("cut", last + 1, head.number)
        if head.number < last:
            return Break("added", head.number + 1, last)
        return None if head.hash == self.end.hash else Break("head", last)

    def _fault(self, link: Link) -> Break | None:
        if link.fields[0] != FORM:
            return Break("form", link.number)
        fits, is_whole = link.previous_hash == self.end.hash, link.digest() == link.hash
        if fits:
            return None if is_whole else Break("changed", link.number)
        if link.previous_hash == self._before:
            # It follows the one before the last: the last was put between them.
            return Break("added", link.number - 1)
        if is_whole:
            # Others follow another entry than the one that is here.
            return Break("changed", max(link.number - 1, 1))
        return self._moved(link) or Break("changed", link.number)

    def _moved(self, link: Link) -> Break | None:
        first = max(1, link.number - _FARTHEST_MOVE)
        for was in range(first, link.number + _FARTHEST_MOVE):
            if link.digest(was) == link.hash:
                return Break("moved", link.number, was)
        return None


def _canonical(fields: Sequence[str | None]) -> bytes:
    said = (None if one is None else one.encode() for one in fields)
    return b",".join(b"~" if one is None else b"%d:%s" % (len(one), one) for one in said)

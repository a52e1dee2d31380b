"""The root of the tree of errors."""

from __future__ import annotations

from agentpg.language import Translate, untranslated
from agentpg.quantities import size_in_short

# The values that are words of ours, translated like the sentence around them.
_IN_WORDS = ("reason", "source", "action", "work")
# Those that are bytes, and are shown as people read them.
_SIZES = ("free", "needed", "done")


class AgentpgError(Exception):
    """The root of the tree; catch it to catch all that agentpg raises."""

    sentence = "{reason}"
    hint = ""
    exit_code = 1

    def __init__(self, reason: str = "", *, hint: str | None = None, **values: object) -> None:
        self.values: dict[str, object] = {"reason": reason, **values}
        if hint is not None:
            self.hint = hint
        super().__init__(self.message())

    def message(self, translate: Translate = untranslated) -> str:
        """What failed, with its values."""
        values = {n: translate(v) if n in _IN_WORDS else v for n, v in self._texts()}
        return translate(self.sentence).format_map(values)

    def advice(self, translate: Translate = untranslated) -> str:
        """What to do about it; empty where nothing is known to help."""
        return translate(self.hint).format_map(self.values) if self.hint else ""

    def _texts(self) -> list[tuple[str, str]]:
        return [(name, _text(name, value)) for name, value in self.values.items()]


def _text(name: str, value: object) -> str:
    return size_in_short(value) if name in _SIZES and isinstance(value, int) else str(value)

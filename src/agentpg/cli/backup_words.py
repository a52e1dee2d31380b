"""What is said of tasks that had not ended, wherever an old state comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpg.language import N_

if TYPE_CHECKING:
    from agentpg.desk.backup.restore.unfinished import Unfinished

UNFINISHED: tuple[Unfinished, ...] = ("hold", "keep", "fail")
UNFINISHED_WORDS = {
    "hold": N_("held until somebody releases them"),
    "keep": N_("as they were; workers will run them"),
    "fail": N_("ended as failed"),
}
HELD = N_(
    "They are held: `agentpg task list --held` shows them, `agentpg task release --held` lets them "
    "run."
)
SUBSCRIPTIONS_OFF = N_(
    "Its subscriptions are off, since they would take changes that are for the other cluster. To "
    "let one take them here: ALTER SUBSCRIPTION … ENABLE, in its database."
)

"""The end of the process, which threads of handlers must not hold up."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

# Threads that are about to end have so long to do so.
_SECONDS = 1.0


def end_process(code: int) -> int:
    """Return `code`, or end the process with it where a thread would not let it end."""
    left = threads_left()
    if left:
        names = ", ".join(thread.name for thread in left)
        logging.getLogger("agentpg").warning("ending in spite of running threads: %s", names)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def threads_left() -> list[threading.Thread]:
    """Threads that the interpreter would wait for, and that have not ended within a second."""
    deadline = time.monotonic() + _SECONDS
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    waited_for = [thread for thread in others if not thread.daemon]
    for thread in waited_for:
        thread.join(max(deadline - time.monotonic(), 0))
    return [thread for thread in waited_for if thread.is_alive()]

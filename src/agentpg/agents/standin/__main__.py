"""`python -m agentpg.agents.standin`: serve until stopped.

The first line on standard output is the address, as OPENAI_BASE_URL takes it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from agentpg.agents.standin.server import Manners, Server


def main() -> None:
    """Serve until a signal comes or, with --with-parent, standard input ends."""
    options = _parse()
    server = Server(options.port, Manners(options.latency, options.pace, options.key))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    if options.with_parent:
        threading.Thread(target=_follow_parent, daemon=True).start()
        # Ctrl-C in a terminal reaches parent and child; it is the parent's to end the child.
        signal.sigwait({signal.SIGTERM})
    else:
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    server.server_close()


def _follow_parent() -> None:
    """End with the parent: it holds the other end of our input, however it dies."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _parse() -> argparse.Namespace:
    default = Manners()
    parser = argparse.ArgumentParser(
        prog="python -m agentpg.agents.standin",
        description="A stand-in for a language model, on the loopback interface: it speaks "
        "the protocols of OpenAI and Anthropic and quotes the central sentences of a text.",
    )
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument(
        "--latency", type=float, default=default.latency, help="seconds before each answer"
    )
    parser.add_argument(
        "--pace", type=float, default=default.pace, help="seconds for each word of a stream"
    )
    parser.add_argument("--key", default=default.key, help="accept only this API key")
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input is closed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()

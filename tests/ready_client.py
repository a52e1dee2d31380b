"""What a shell of the tests finds as `agentpg`; ready.py fills ADDRESS and REAL in.

It imports what is built into Python only, and so starts in a few milliseconds.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import marshal
import posix
import sys

# The socket of the waiting process, and the program that it stands in for.
ADDRESS = REAL = ""

# The other side has died; EX_SOFTWARE of sysexits.h.
_NOT_TOLD = 70

_PASSED_ON = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT)


def _mask() -> int:
    """The umask, which can only be read by setting it."""
    mask = posix.umask(0o22)
    posix.umask(mask)
    return mask


def _ask(connection: _socket.socket) -> None:
    """Hand over all that the command needs."""
    arguments = [argument.encode("utf-8", "surrogateescape") for argument in sys.argv[1:]]
    asked = marshal.dumps((arguments, posix.getcwdb(), _mask(), dict(posix.environ)))
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    size = len(asked).to_bytes(4, "big")
    connection.sendmsg([size], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    connection.sendall(asked)


def _run() -> int:
    """The exit code of the command; negative is the signal that ended it."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(ADDRESS)
        for signal in _PASSED_ON:
            _signal.signal(signal, lambda number, _: connection.send(bytes([number])))
        _ask(connection)
    except OSError:  # another account, or a stream that is closed
        posix.execv(REAL, [REAL, *sys.argv[1:]])
    said = connection.recv(4)
    return int.from_bytes(said, "big", signed=True) if said else _NOT_TOLD


def _end(code: int) -> None:
    """End as the command has."""
    if code < 0:
        _signal.signal(-code, _signal.SIG_DFL)
        posix.kill(posix.getpid(), -code)
    posix._exit(code)


_end(_run())

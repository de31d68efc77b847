"""Ports of this machine, for servers that need theirs before they start."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path

# Below the ephemeral ports, which systems give to port 0 and to the near end of connections.
_PORTS = range(20_000, 32_000)
_given: set[int] = set()
_locks = os.open(Path(tempfile.gettempdir()) / f"penstock-test-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)


def free_port() -> int:
    """Returns a port that nothing listens on, and that no other process of tests is given for as long as this one runs."""
    port = next(port for port in _PORTS if port not in _given and _reserve(port) and _is_free(port))
    _given.add(port)
    return port


def _reserve(port: int) -> bool:
    """Locks the byte of a port, unless another process has; the lock ends with the process, however it ends."""
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True

"""Has Linux end a process with the one that started it, in whatever way that ends: it may have no time to do so itself."""

import ctypes
import signal
import sys

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def end_with_parent() -> None:
    """Has this process killed when its parent ends; to be called in the process, or as its `preexec_fn`."""
    if _prctl:
        _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)

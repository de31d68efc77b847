"""What a task took of the machine: time, CPU, memory, bytes, and what its GPUs did.

It is a line of the task's log, as what a task took differs from run to run, and its artifacts must not. A thread looks once a second at what
the kernel keeps no record of: the memory of all processes of the task together, and the use of the GPUs (see `gpus`).
"""

import contextlib
import os
import resource
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gpus import Gpus

_SECONDS_BETWEEN_LOOKS = 1.0
# A peak of less than ten seconds is no reason for another CPU.
_LOOKS_OF_A_PEAK = 10
_PROC = Path("/proc")
_OWN = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
# The kernel's unit of ru_maxrss (getrusage(2)).
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Usage:
    """The usage of this process and of the processes that it starts, from now on."""

    def __init__(self) -> None:
        # What was imported ahead of the task is not its own.
        self._started, self._bytes = time.monotonic(), _bytes()
        self._cpu, self._memory = _cpu_seconds_and_memory()
        self._peak = 0.0
        self._looks: deque[tuple[float, float]] = deque([(self._started, self._cpu)], _LOOKS_OF_A_PEAK + 1)
        self._gpus: Gpus | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._look, name="penstock-usage", daemon=True).start()

    def read(self) -> dict[str, Any]:
        """Returns what was used, and stops looking. What this machine does not tell is missing.

        Returns:
            `seconds`; `cpu_seconds`, also those of children that have ended and of those that still run; `peak_cpus`, the most CPUs that
            were busy over ten seconds, on average; `memory_bytes`, the largest resident memory of all processes together; `read_bytes` and
            `written_bytes`, of files, pipes and sockets; `gpus`, for each GPU its `name`, its mean `utilization` from 0 to 1, and the
            largest `memory_bytes`.
        """
        self._ended.set()
        cpu, memory = _cpu_seconds_and_memory()
        cpu, seconds = cpu - self._cpu, time.monotonic() - self._started
        largest = max(_own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _RSS_UNIT)
        used = {
            "seconds": round(seconds, 3),
            "cpu_seconds": round(cpu, 3),
            "peak_cpus": round(max(self._peak, cpu / seconds), 3),
            "memory_bytes": max(self._memory, memory, largest),
        }
        used |= {name: value - self._bytes[name] for name, value in _bytes().items()}
        return used | (self._gpus.read() if self._gpus else {})

    def _look(self) -> None:
        if self._ended.wait(_SECONDS_BETWEEN_LOOKS):
            return
        from .gpus import Gpus  # not before: a task of half a second would wait for `ctypes`

        self._gpus = Gpus()
        while True:
            cpu, memory = _cpu_seconds_and_memory()
            self._memory = max(self._memory, memory)
            self._looks.append((time.monotonic(), cpu))
            (before, less), (now, more) = self._looks[0], self._looks[-1]
            if len(self._looks) > _LOOKS_OF_A_PEAK:
                self._peak = max(self._peak, (more - less) / (now - before))
            self._gpus.look()
            if self._ended.wait(_SECONDS_BETWEEN_LOOKS):
                return


def _cpu_seconds_and_memory() -> tuple[float, int]:
    """Returns the CPU time of this process and of all below it, also of those that have ended, and their resident memory.

    Both at the same time, as finding the processes costs the most: the kernel lists the children of each thread.
    """
    own, below = os.getpid(), list(_below(os.getpid()))
    seconds = sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, _OWN))
    return seconds + sum(map(_cpu_seconds, below)), sum(map(_resident, [own, *below]))


def _own_peak() -> int:
    """Returns the largest resident memory of this process: on Linux `ru_maxrss` also has that of the process that it was before `exec`."""
    fields = dict(line.split(":") for line in _text(_PROC / "self" / "status").splitlines())
    if "VmHWM" in fields:  # proc_pid_status(5)
        return int(fields["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def _below(process: int) -> Iterator[int]:
    """Yields the processes that a process has started, and those that they have."""
    for thread in _PROC.glob(f"{process}/task/*/children"):
        for child in map(int, _text(thread).split()):
            yield child
            yield from _below(child)


def _resident(process: int) -> int:
    """Returns the resident memory of a process; 0 where the system does not tell."""
    pages = _text(_PROC / str(process) / "statm").split()[1:2]
    return int(pages[0]) * os.sysconf("SC_PAGE_SIZE") if pages else 0


def _cpu_seconds(process: int) -> float:
    """Returns the CPU time of a process and of its children that have ended (proc_pid_stat(5), fields 14 to 17)."""
    ticks = _text(_PROC / str(process) / "stat").rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _bytes() -> dict[str, int]:
    """Returns what was read and written; the kernel counts ended children too (proc_pid_io(5))."""
    counted = dict(line.split(": ") for line in _text(_PROC / "self" / "io").splitlines())
    names = {"rchar": "read_bytes", "wchar": "written_bytes"}
    return {name: int(counted[key]) for key, name in names.items() if key in counted}


def _text(file: Path) -> str:
    """Reads a file of the kernel's; empty where there is none, as of a process that has ended meanwhile."""
    with contextlib.suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace")
    return ""

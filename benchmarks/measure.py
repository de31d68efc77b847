"""What a command costs: seconds on the wall clock, peak memory, and when it printed what."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# The same on both sides. The last two spare TFX's pip two look-ups that it cannot need.
_VARIABLES = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INDEX": "1",
}


@dataclass(frozen=True)
class Cost:
    """What a command cost.

    Attributes:
        code: Its exit code.
        seconds: From before its process started until after it ended.
        processor_seconds: Seconds that processors worked for it and for any process that it waited for.
        peak_bytes: The largest resident set of it and of any process that it waited for, as the kernel counted it.
        lines: What it printed, each line with the seconds since the start.
    """

    code: int
    seconds: float
    processor_seconds: float
    peak_bytes: int
    lines: list[tuple[float, str]]


def run(command: Sequence[object], log: Path, good: Sequence[int] = (0,), variables: dict[str, str] | None = None) -> Cost:
    """Runs a command to its end.

    Args:
        command: The command; its words are taken as text.
        log: The file for what it prints.
        good: The exit codes that are no failure.
        variables: Environment variables to add.

    Raises:
        SystemExit: It failed; its last lines are the message.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    started = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), env=os.environ | _VARIABLES | (variables or {}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout
    with log.open("wb") as sink:
        for line in process.stdout:
            lines.append((time.perf_counter() - started, line.decode(errors="replace").rstrip()))
            sink.write(line)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in good:
        raise SystemExit("\n".join([*(text for _, text in lines[-15:]), f"error: {command[0]} failed; its whole log: {log}"]))
    return Cost(process.returncode, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, lines)

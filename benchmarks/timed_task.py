"""Stands in for `python -m penstock.components.<name>`, and says how long the task's imports, its own work and hashing took.

python timed_task.py RECORD.json NAME --executor_input {...}
"""

import functools
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.components import protocol


def main() -> None:
    """Runs one task as its container does, and writes `imports`, `work` and `hashing`, in seconds."""
    record, name, *arguments = sys.argv[1:]
    package = f"penstock.components.{name}"
    started = time.perf_counter()
    module = importlib.import_module(f"{package}.task")
    seconds = {"imports": time.perf_counter() - started, "work": 0.0, "hashing": 0.0}
    task = getattr(module, name)
    hashes = importlib.import_module("penstock.components.protocol.fingerprint")
    hashes.stream_sha256 = _timed(hashes.stream_sha256, seconds, "hashing")
    setattr(module, name, _timed(task, seconds, "work"))
    try:
        protocol.main(package, arguments)
    finally:
        Path(record).write_text(json.dumps(seconds), encoding="utf-8")


def _timed(function: Callable[..., Any], seconds: dict[str, float], what: str) -> Callable[..., Any]:
    """Adds what a function takes to some seconds."""

    @functools.wraps(function)  # the protocol reads a task's signature
    def timed(*positional: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*positional, **named)
        finally:
            seconds[what] += time.perf_counter() - started

    return timed


if __name__ == "__main__":
    main()

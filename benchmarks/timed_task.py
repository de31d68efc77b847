"""Stands in for `python -m penstock.components.<name>`, and says how long the task's imports and its own work took.

python timed_task.py RECORD.json NAME --executor_input {...}
"""

import functools
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from penstock.components import protocol


def main() -> None:
    """Runs one task as its container does, and writes `imports` and `work`, in seconds."""
    record, name, *arguments = sys.argv[1:]
    package = f"penstock.components.{name}"
    started = time.perf_counter()
    module = importlib.import_module(f"{package}.task")
    seconds = {"imports": time.perf_counter() - started}
    task = getattr(module, name)

    @functools.wraps(task)  # the runtime reads the signature
    def timed(*positional: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return task(*positional, **named)
        finally:
            seconds["work"] = time.perf_counter() - started
            Path(record).write_text(json.dumps(seconds), encoding="utf-8")

    setattr(module, name, timed)
    protocol.main(package, arguments)


if __name__ == "__main__":
    main()

"""Whether a task runs on Apache Beam, which takes a second to import, and whether it should."""

import logging
import os
from pathlib import Path

from penstock.components.protocol.errors import TaskError

# One process reads between 100,000 and 400,000 rows a second: the better part of an hour, or more.
_MANY_ROWS = 300_000_000
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_logger = logging.getLogger(__name__)


def names_runner(beam_pipeline_args: list) -> bool:
    """Says whether Beam's options name a runner.

    Raises:
        TaskError: They are not texts.
    """
    if wrong := [argument for argument in beam_pipeline_args if not isinstance(argument, str)]:
        raise TaskError(f"beam_pipeline_args has {wrong[0]!r:.80}; give texts, such as --runner=FlinkRunner")
    return any(argument.split("=")[0] == "--runner" for argument in beam_pipeline_args)


def advise(beam_pipeline_args: list, rows: int, kept_bytes: int) -> None:
    """Warns if a table is too large for one process.

    Args:
        beam_pipeline_args: Beam's options; if they name a runner, there is nothing to say.
        rows: The number of rows.
        kept_bytes: How many bytes the task keeps of each row until it is done.
    """
    if names_runner(beam_pipeline_args):
        return
    needed, memory = rows * kept_bytes, _memory()
    if needed > memory / 2:
        reason = f"{rows:,} rows take about {needed / 2**30:.1f} GiB of the {memory / 2**30:.1f} GiB of memory here"
    elif rows > _MANY_ROWS:
        reason = f"{rows:,} rows take one process an hour or more"
    else:
        return
    _logger.warning("%s; set beam_pipeline_args to a runner of Apache Beam, whose workers share the rows", reason)


def _memory() -> int:
    """Returns how many bytes of memory this process may have."""
    limits = [text for file in map(Path, _LIMITS) if file.exists() and (text := file.read_text(encoding="ascii").strip()).isdigit()]
    return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *map(int, limits), 1 << 62)

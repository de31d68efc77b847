"""Checks the paths of a task's outputs before anything is removed or created."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

from .disk_space import is_disk_full
from .errors import TaskError


def check_places(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Makes sure that no output takes the place of an input, another output, a device, a mount, or a folder of the system's or this task's own.

    Any other file or folder there is taken for an earlier attempt's output, and is replaced: backends try again in the same place.

    Args:
        outputs: The paths of artifacts, output parameters and the executor output file.
        inputs: The paths of the artifacts that the task reads.

    Raises:
        TaskError: One would.
    """
    places = [Path(os.path.abspath(path)) for path in outputs]  # noqa: PTH100 - links are followed when they are written to
    for place in places:
        with placing(place):
            _check(place)
    for place, other in permutations(places, 2):
        if place.is_relative_to(other):
            raise TaskError(f"two outputs have the path {other}; choose a separate path for each")
    for given in (Path(os.path.abspath(path)) for path in inputs):  # noqa: PTH100
        for place in places:
            if given.is_relative_to(place) or place.is_relative_to(given):
                raise TaskError(f"the output {place} is inside the input artifact {given}, or contains it; choose another path")


@contextmanager
def placing(path: Path) -> Iterator[None]:
    """Says in one line that an output cannot be made at a path."""
    try:
        yield
    except (OSError, ValueError) as error:
        if is_disk_full(error):
            raise
        reason = getattr(error, "strerror", None) or error
        raise TaskError(f"the output {path} cannot be written ({reason}); choose a path that can be created and written") from error


def _check(place: Path) -> None:
    if not os.path.lexists(place):
        return
    kind = place.lstat().st_mode
    is_folder = stat.S_ISDIR(kind)
    if not is_folder and not stat.S_ISREG(kind):
        raise TaskError(f"the output {place} would replace something that is neither a file nor a folder; choose another path")
    if is_folder and (place.parent == place.parent.parent or place.is_mount() or Path.cwd().is_relative_to(place)):
        raise TaskError(f"the output {place} would replace a folder of the system or of this task; choose another path")

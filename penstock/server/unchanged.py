"""Makes sure that the loaded bytes are the hashed bytes, because TensorFlow reads a model's files again."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock.components.protocol import TaskError
from penstock.components.protocol.fingerprint import file_marks


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Makes sure that a model does not change while it is hashed and loaded, without reading its files.

    Raises:
        TaskError: It was changed.
    """
    before = _marks(folder)
    yield
    if _marks(folder) != before:
        raise TaskError(f"the model at {folder} changed while it was loaded, so the loaded bytes are unknown; push it again")


def _marks(folder: Path) -> dict[str, tuple[int, int, int]]:
    with suppress(OSError, TaskError):  # the hashing reports what is wrong
        return file_marks(folder)
    return {}

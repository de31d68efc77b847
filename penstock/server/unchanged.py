"""What is loaded is what was hashed: TensorFlow reads a model's files again, after whoever has made sure of them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock.components.protocol import TaskError
from penstock.components.protocol.fingerprint import file_marks


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Makes sure that nobody writes to a model while it is hashed and loaded; reads no file for it.

    Raises:
        TaskError: Somebody has, whatever the bytes are now.
    """
    before = _marks(folder)
    yield
    if _marks(folder) != before:
        raise TaskError(f"the model at {folder} changed while it was loaded, and nobody knows which bytes were read; push it again")


def _marks(folder: Path) -> dict[str, tuple[int, int, int]]:
    with suppress(OSError, TaskError):  # whoever hashes it says what is wrong
        return file_marks(folder)
    return {}

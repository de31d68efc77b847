"""What tests of ingest_examples write and read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from penstock.components.data.examples import SplitWriter, read_batches, read_schema

NAME = "ingest_examples"
ONE = {"all": 1}


def rows(result, split="all"):
    return pa.Table.from_batches(
        read_batches(result.outputs["examples"], split), read_schema(result.outputs["examples"], split)
    ).to_pylist()


def column(result, name, split="all"):
    return [row[name] for row in rows(result, split)]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def kinds(result, split="all"):
    return {field.name: str(field.type) for field in read_schema(result.outputs["examples"], split)}


@contextmanager
def moving_on(change: Callable[[], object]) -> Iterator[None]:
    """Changes an input once, while it is read: before the first rows are written."""
    write_rows, changes = SplitWriter.write, []

    def change_and_write(self, batch):
        if not changes:
            changes.append(change())
        write_rows(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SplitWriter, "write", change_and_write)
        yield
    assert changes

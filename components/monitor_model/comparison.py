"""What a window is compared with: Examples, or an earlier window of the log."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.data.examples import read_batches, read_schema, split_folder
from penstock.components.data.filesystems import explaining, fetch_folder, open_filesystem
from penstock.components.evidence.logs.reading import Log
from penstock.components.evidence.logs.window import Window
from penstock.components.protocol import Input, TaskError, redact
from penstock.components.protocol import fingerprint as fingerprint_of_folder

from .champion import RegisteredExamples
from .labeled_quality import LabeledQuality
from .reference import Reference, only_rows, read_reference

if TYPE_CHECKING:  # what it needs takes seconds to import
    from .slices import SlicedCounts


@dataclass(frozen=True)
class Against:
    """What the window is compared with: features, and predictions where the reference has any."""

    features: Reference
    predictions: Reference | None
    described: dict[str, Any] = field(default_factory=dict)
    slices: "SlicedCounts | None" = None


@contextmanager
def reference_examples(reference: Input | None, uri: str) -> Iterator[Path | None]:
    """Gives the folder of the reference's Examples; None if the reference is a window of the log."""
    if reference is not None:
        reference.require_written()
        yield reference.path
    elif not uri:
        yield None
    else:
        with tempfile.TemporaryDirectory(prefix="penstock-reference-") as scratch:
            yield _fetched(uri, Path(scratch))


def require_same(examples: Path, registered: RegisteredExamples) -> None:
    """Makes sure that Examples are those that the champion was made from.

    Raises:
        TaskError: Their bytes differ.
    """
    if registered.fingerprint and fingerprint_of_folder(examples) != registered.fingerprint:
        raise TaskError(
            f"the Examples at {redact(registered.uri)} differ from those that the model {registered.model[:12]} was made from; give reference_uri"
        )


def _fetched(uri: str, scratch: Path) -> Path:
    with explaining(f"the reference {redact(uri)} cannot be read", "correct reference_uri"):
        files, root = open_filesystem(uri)
        if not files.exists(root):
            raise TaskError(f"the reference {redact(uri)} does not exist; give existing Examples")
        if Path(root).is_dir():
            return Path(root)
        fetch_folder(uri, scratch)
    return scratch


def text_features(examples: Path | None, split: str, schema: schema_pb2.Schema | None) -> list[str]:
    """Returns the features that are text."""
    if examples is not None:
        split_folder(examples, split)
        return [
            column.name
            for column in read_schema(examples, split)
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        ]
    return [feature.name for feature in schema.feature if feature.type == schema_pb2.BYTES] if schema else []


def comparison(
    log: Log,
    examples: Path | None,
    split: str,
    window: str,
    schema: schema_pb2.Schema | None,
    excluded: set[str],
    now: datetime,
    uri: str,
    wanted: dict[str, list[Any]],
    quality: LabeledQuality,
) -> Against:
    """Reads what the window is compared with.

    Args:
        log: The log, for a reference that is an earlier window of it.
        examples: The reference's Examples; None if it is a window.
        split: The Split of the Examples.
        window: The window, as START/END.
        schema: The Schema, if there is one.
        excluded: The features that are not compared.
        now: The time.
        uri: The Examples' URI, as the Monitoring shows it.
        wanted: The values of columns that the reference's rows must have.
        quality: What counts rows by slices.

    Raises:
        TaskError: The window is invalid, or the reference cannot be used.
    """
    if examples is not None:
        rows = only_rows(lambda: read_batches(examples, split), wanted)
        read = read_reference(rows, schema, excluded)
        return Against(read, None, {"kind": "examples", "uri": uri, "split": split}, quality.sliced(read.bins, rows))
    start, _, end = window.partition("/")
    earlier = Window.read(start, end, 0.0, now) if start and end else None
    if earlier is None:
        raise TaskError(f"reference_window is {window!r:.60}; give START/END, such as 2026-11-01/2026-11-08")
    asked = only_rows(lambda: (rows.features for rows in log.read(earlier)), wanted)
    features = read_reference(asked, schema, excluded)
    answered = read_reference(
        lambda: (rows.predictions.filter(rows.about.column("error").is_null()) for rows in log.read(earlier)), None, set()
    )
    described = {"kind": "window", "start": earlier.start.isoformat(), "end": earlier.end.isoformat()}
    return Against(features, answered, described, quality.sliced(features.bins, asked))

"""The parts of the Examples: each becomes one part of the output."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from penstock.components.data.examples import count_file_rows, difference, read_file_schema, split_files, split_names
from penstock.components.protocol import Input, TaskError, file_sha256


@dataclass(frozen=True)
class Part:
    """One file of the Examples.

    Attributes:
        name: What the output's part is called: the Split and the file's number.
        path: The file, as its reader finds it.
        sha256: The SHA-256 of its bytes.
        rows: Its rows.
    """

    name: str
    path: Path | str
    sha256: str
    rows: int


def find_parts(examples: Input, splits: list[str]) -> tuple[list[Part], pa.Schema]:
    """Finds the parts of some Splits, or of all, and the columns that they have in common.

    Raises:
        TaskError: There are no rows, the files are not Parquet, or their columns differ.
    """
    examples.require_written()
    names = splits or split_names(examples.path)
    if not all(isinstance(name, str) for name in names):
        raise TaskError(f"splits is {splits!r:.80}; give the names of Splits")
    parts, columns, first = [], None, None
    for split in dict.fromkeys(names):
        for path in split_files(examples.path, split):
            if path.suffix != ".parquet":
                raise TaskError(f"{path} is not Parquet; give the Examples of ingest_examples, not transformed ones in TFRecord")
            found = read_file_schema(path)
            columns, first = (found, path) if columns is None else (columns, first)
            if how := difference(columns, found, first, path):
                raise TaskError(
                    f"the parts of the Examples have different columns: {how}; ingest the rows again, or name the Splits that have the same "
                    "columns in splits"
                )
            parts.append(Part(f"{split}-{path.stem.removeprefix('part-')}", path, file_sha256(path), count_file_rows(path)))
    if columns is None or not sum(part.rows for part in parts):
        raise TaskError(f"the Examples at {examples.path} have no rows; ingest some")
    return parts, columns


def check_columns(columns: pa.Schema, parameter: str, names: list[str]) -> None:
    """Checks that a parameter names columns of the Examples.

    Raises:
        TaskError: It does not.
    """
    for name in names:
        if not isinstance(name, str) or name not in columns.names:
            has = ", ".join(columns.names)
            raise TaskError(f"{parameter} names {name!r:.80}, which is no column of the Examples (they have: {has[:300]}); correct it")

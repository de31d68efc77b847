"""What tests of ingest_examples write and read."""

from pathlib import Path

import pyarrow as pa

from penstock.components.data.examples import read_batches, read_schema

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

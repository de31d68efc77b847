"""The prediction log of Penstock's model server: JSON lines, in files that begin anew.

`<uri>/<model name>/<date>/<time>-<host>-<process>-<number>.jsonl`. Arrow parses a whole block of lines if each value has one type
in all of them; otherwise, and where a line is damaged, the lines are read one by one.
"""

from collections.abc import Iterator
from datetime import datetime, timezone
from io import BytesIO
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from .logged_rows import ABOUT, INSTANCE, PREDICTION, TIME, LoggedRows, Row, batch_of, columns_of
from .window import Found

_BLOCK = 2 << 20
# A line that is longer is not a row of a request of 8 MiB at most.
_LONGEST_LINE = 64 << 20
_TEXTS = ("id", "time", "model_name", "version", "fingerprint")


def read_json_lines(file: BinaryIO, texts: list[str], found: Found) -> Iterator[LoggedRows]:
    """Reads one file, block by block.

    Args:
        file: The file.
        texts: The features that are text: Arrow would take some texts for times.
        found: Counts what could not be read.
    """
    known = [*((name, pa.string()) for name in _TEXTS), ABOUT.field("fetched"), ABOUT.field("features_defaulted")]
    types = pa.schema([*known, ("instance", pa.struct([(name, pa.string()) for name in texts]))] if texts else known)
    for block in _blocks(file, found):
        try:
            yield _typed(block, types)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError):
            yield from _one_by_one(block, found)


def _blocks(file: BinaryIO, found: Found) -> Iterator[bytes]:
    """Yields whole lines; a last line without an end counts if it is whole."""
    rest = b""
    while part := file.read(_BLOCK):
        whole, end, rest_of_part = part.rpartition(b"\n")
        if end:
            yield rest + whole + end
            rest = rest_of_part
        else:
            rest += part
        if len(rest) > _LONGEST_LINE:
            found.unreadable += 1
            return
    if rest.strip():
        if _parsed(rest) is None:
            found.cut_short += 1
        else:
            yield rest + b"\n"


def _typed(block: bytes, types: pa.Schema) -> LoggedRows:
    # In one part: Arrow ends the process if a value has one type in one part and another in the next.
    table = pj.read_json(
        BytesIO(block), pj.ReadOptions(block_size=len(block) + 1, use_threads=False), pj.ParseOptions(explicit_schema=types)
    ).combine_chunks()
    columns = {name: table.column(name).chunk(0) for name in table.column_names}
    about = [columns.get(name, pa.nulls(table.num_rows, ABOUT.field(name).type)) for name in ABOUT.names]
    about[ABOUT.get_field_index("time")] = pc.cast(columns["time"], TIME)
    features = columns_of(columns["instance"], INSTANCE)
    # Arrow makes a column of every text feature in the schema, whether or not a line has it.
    absent = [
        name for name in features.schema.names if features.column(name).null_count == features.num_rows and orjson.dumps(name) not in block
    ]
    return LoggedRows(
        pa.RecordBatch.from_arrays(about, schema=ABOUT),
        features.drop_columns(absent)
        if len(absent) < features.num_columns
        else columns_of(pa.array([{}] * features.num_rows, pa.struct([])), INSTANCE),
        columns_of(columns["prediction"], PREDICTION),
    )


def _one_by_one(block: bytes, found: Found) -> Iterator[LoggedRows]:
    rows = []
    for line in block.splitlines():
        if not line.strip():
            continue
        row = _row(_parsed(line))
        if row is None:
            found.unreadable += 1
        else:
            rows.append(row)
    if rows:
        yield batch_of(rows)


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _row(line: Any) -> Row | None:
    if not isinstance(line, dict) or "instance" not in line or "prediction" not in line:
        return None
    return Row(
        line["instance"],
        line["prediction"],
        id=_text(line.get("id")),
        time=moment(line.get("time")),
        version=_text(line.get("version")),
        fingerprint=_text(line.get("fingerprint")),
        fetched=_names(line.get("fetched")),
        features_defaulted=line.get("features_defaulted") is True,
    )


def moment(text: Any) -> datetime | None:
    """Reads a time in ISO 8601; None if the text is not a time."""
    if not isinstance(text, str):
        return None
    try:
        read = datetime.fromisoformat(_microseconds(text))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=timezone.utc)


def _microseconds(text: str) -> str:
    """Cuts a time's fraction to the six digits that Python knows; Go writes nine."""
    head, point, tail = text.replace("Z", "+00:00").partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[:digits][:6]:0<6}{tail[digits:]}" if point else head


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and value != "" else None


def _names(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(isinstance(name, str) for name in value) else None

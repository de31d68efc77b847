"""What KServe's inference logger keeps: requests and answers as records of their own, joined by their id.

It writes a bucket's objects `<prefix>/<namespace>/<service>/<component>/<id>-<request|response>.<json|csv|parquet>`, of one record or of
several. A receiver of its CloudEvents over HTTP may keep them as JSON lines (structured mode). Source: KServe, pkg/logger.
"""

import base64
import binascii
import csv
import io
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from .json_lines import moment
from .logged_rows import LoggedRows, Row, batch_of
from .payloads import Unreadable, instances_of, predictions_of
from .window import Found

REQUEST, RESPONSE = "org.kubeflow.serving.inference.request", "org.kubeflow.serving.inference.response"
_BATCH_ROWS = 16_384
# Records that wait for their other half; older ones are taken for single.
_MOST_WAITING = 100_000
# What its CSV and Parquet have no column for.
NO_TIME = "the time of a request, in files of CSV or Parquet"


def read_records(content: bytes, name: str, found: Found) -> Iterator[dict[str, Any]]:
    """Yields the records of one file.

    Args:
        content: The file's bytes.
        name: Its name, whose end says its format.
        found: Counts what could not be read.
    """
    try:
        if name.endswith(".parquet"):
            yield from pq.read_table(pa.BufferReader(content)).to_pylist()
        elif name.endswith(".csv"):
            yield from csv.DictReader(io.StringIO(content.decode()))
        else:
            yield from _json_records(content, found)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error):
        found.unreadable += 1


def _json_records(content: bytes, found: Found) -> Iterator[dict[str, Any]]:
    """Yields the records of JSON: an object, a list of them, or one in each line."""
    try:
        parsed = [orjson.loads(content)]
    except orjson.JSONDecodeError:
        parsed = [_line(line, found) for line in content.splitlines() if line.strip()]
    for one in parsed:
        for record in one if isinstance(one, list) else [one]:
            if isinstance(record, dict):
                yield record
            elif record is not None:
                found.unreadable += 1


def _line(line: bytes, found: Found) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        found.unreadable += 1
        return None


class Joined:
    """Joins requests and answers by their id, whichever comes first.

    Args:
        found: Counts what could not be read, and what has no other half.
    """

    def __init__(self, found: Found) -> None:
        self._found = found
        self._waiting: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    def rows(self, records: Iterable[dict[str, Any]]) -> Iterator[LoggedRows]:
        """Yields rows, in batches; those of requests without an answer last, with an error."""
        rows: list[Row] = []
        for record in records:
            rows += self._add(record)
            if len(rows) >= _BATCH_ROWS:
                yield batch_of(rows)
                rows = []
        for record in self._waiting.values():
            rows += self._single(record)
        if rows:
            yield batch_of(rows)

    def _add(self, record: dict[str, Any]) -> list[Row]:
        kind, identity = record.get("reqType") or record.get("type"), record.get("id")
        if kind not in (REQUEST, RESPONSE) or not isinstance(identity, str) or not identity:
            self._found.unreadable += 1
            return []
        other = self._waiting.pop((identity, RESPONSE if kind == REQUEST else REQUEST), None)
        if other is not None:
            return self._pair(*(record, other) if kind == REQUEST else (other, record))
        self._waiting[identity, kind] = record | {"kind": kind}
        return self._single(self._waiting.popitem(last=False)[1]) if len(self._waiting) > _MOST_WAITING else []

    def _pair(self, request: dict[str, Any], response: dict[str, Any]) -> list[Row]:
        try:
            instances = instances_of(_payload(request))
            predictions, version = predictions_of(_payload(response))
            if len(instances) != len(predictions):
                raise Unreadable("a request and an answer with different numbers of rows")
        except Unreadable:
            self._found.unreadable += 1
            return []
        return _rows(request, instances, predictions, version, None)

    def _single(self, record: dict[str, Any]) -> list[Row]:
        """Returns the rows of a request without an answer: KServe logs none but 200's."""
        if record["kind"] == RESPONSE:
            self._found.unasked += 1
            return []
        self._found.unanswered += 1
        try:
            instances = instances_of(_payload(record))
        except Unreadable:
            return []
        return _rows(record, instances, [None] * len(instances), None, "no answer was logged")


def _rows(request: dict[str, Any], instances: list[Any], predictions: list[Any], version: str | None, error: str | None) -> list[Row]:
    time = moment(request.get("occurrenceTime") or request.get("time"))
    return [
        Row(instance, prediction, id=f"{request['id']}/{number}", time=time, version=version, error=error)
        for number, (instance, prediction) in enumerate(zip(instances, predictions, strict=True))
    ]


def _payload(record: dict[str, Any]) -> bytes:
    """Returns a record's body: in base64, or, in a structured CloudEvent, as JSON itself."""
    if "data" in record and not isinstance(record["data"], str):
        return orjson.dumps(record["data"])
    coded = record.get("bytes") or record.get("data_base64")
    if not isinstance(coded, str):
        raise Unreadable("a record without a body")
    try:
        return base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("a body that is not base64") from error

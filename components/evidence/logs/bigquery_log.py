"""Vertex AI's request-response log: a table of BigQuery.

Its columns: https://cloud.google.com/vertex-ai/docs/predictions/online-prediction-logging#table-schema
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from penstock.components.protocol import TaskError

from .logged_rows import LoggedRows, Row, batch_of
from .payloads import Unreadable, instances_of, predictions_of
from .window import Found, Window

SCHEME = "bq://"
_TABLE = re.compile(r"bq://([a-z0-9:.-]+)\.(\w+)\.([\w-]+)")
_COLUMNS = "deployed_model_id, logging_time, request_id, request_payload, response_payload"
_BATCH_ROWS = 16_384


def read_bigquery(uri: str, window: Window, found: Found) -> Iterator[LoggedRows]:
    """Yields the rows that were logged in a window.

    Args:
        uri: `bq://PROJECT.DATASET.TABLE`.
        window: The window.
        found: Counts what could not be read.

    Raises:
        TaskError: The table cannot be read.
    """
    table = _TABLE.fullmatch(uri)
    if table is None:
        raise TaskError(f"logs is {uri!r:.80}, which does not name a table; give bq://PROJECT.DATASET.TABLE")
    found.files += 1
    rows: list[Row] = []
    for record in _records(".".join(table.groups()), table[1], window):
        rows += _rows(record, found)
        if len(rows) >= _BATCH_ROWS:
            yield batch_of(rows)
            rows = []
    if rows:
        yield batch_of(rows)


def _records(name: str, project: str, window: Window) -> Iterator[dict[str, Any]]:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import bigquery

    query = f"SELECT {_COLUMNS} FROM `{name}` WHERE logging_time >= @start AND logging_time < @end ORDER BY logging_time"  # noqa: S608  the names are matched above
    given = [bigquery.ScalarQueryParameter(key, "TIMESTAMP", moment) for key, moment in (("start", window.start), ("end", window.end))]
    try:
        with bigquery.Client(project) as client:
            for row in client.query(query, bigquery.QueryJobConfig(query_parameters=given)).result():
                yield dict(row.items())
    except (GoogleAPIError, GoogleAuthError) as error:
        raise TaskError(
            f"the log {SCHEME}{name} cannot be read ({' '.join(str(error).split())[:200]}); correct the name, or give access to the table"
        ) from error


def _rows(record: dict[str, Any], found: Found) -> list[Row]:
    """Returns the rows of a request; each element of a payload is a row, or a whole body."""
    try:
        instances = _values(record.get("request_payload"), "instances", instances_of)
        predictions = _values(record.get("response_payload"), "predictions", lambda body: predictions_of(body)[0])
    except Unreadable:
        found.unreadable += 1
        return []
    if not predictions:
        found.unanswered += 1
    elif len(predictions) != len(instances):
        found.unreadable += 1
        return []
    time: datetime | None = record.get("logging_time")
    version, identity = record.get("deployed_model_id"), record.get("request_id")
    return [
        Row(
            instance,
            prediction,
            id=None if identity is None else f"{identity}/{number}",
            time=time,
            version=version,
            error=None if predictions else "no answer was logged",
        )
        for number, (instance, prediction) in enumerate(zip(instances, predictions or [None] * len(instances), strict=True))
    ]


def _values(payload: Any, key: str, whole: Any) -> list[Any]:
    values: list[Any] = []
    for text in payload or []:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise Unreadable("not JSON") from error
        values += whole(text.encode()) if isinstance(value, dict) and key in value else [value]
    return values

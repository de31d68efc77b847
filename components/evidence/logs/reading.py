"""Reading a log of any kind: which kind it is, which files it has, and which of its rows are in the window."""

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.components.data.filesystems import explaining, open_filesystem
from penstock.components.protocol import TaskError, figure, redact

from .bigquery_log import SCHEME, read_bigquery
from .json_lines import read_json_lines
from .kserve_log import NO_TIME, Joined, read_records
from .logged_rows import LoggedRows
from .window import Found, Window

PENSTOCK, KSERVE, VERTEX = "penstock", "kserve", "vertex"
FORMATS = (PENSTOCK, KSERVE, VERTEX)
_ENDS = {PENSTOCK: (".jsonl",), KSERVE: (".json", ".jsonl", ".csv", ".parquet")}
_NO_FINGERPRINT = "which model answered (no fingerprint)"
_NOT_LOGGED = {
    PENSTOCK: ["requests that were refused or failed"],
    KSERVE: [_NO_FINGERPRINT, "why a request failed", "a canary's requests, where KServe serves in Standard mode"],
    VERTEX: [_NO_FINGERPRINT, "requests that were refused or failed"],
}


class Log:
    """A log of requests and answers.

    Args:
        uri: A folder or a file, a bucket's URI, or `bq://PROJECT.DATASET.TABLE`.
        kind: `penstock`, `kserve` or `vertex`; empty: as the files have it.
        model_name: The model's name, below whose folder the prediction log is; empty: all files count.
        texts: The features that are text.

    Attributes:
        kind: The kind.
        found: What was found by the last pass, beside the rows.
    """

    def __init__(self, uri: str, kind: str, model_name: str, texts: list[str]) -> None:
        """Looks what kind of a log it is.

        Raises:
            TaskError: The format is unknown.
        """
        if kind and kind not in FORMATS:
            raise TaskError(f"log_format is {kind!r:.40}; give {', '.join(FORMATS)}, or leave it empty")
        self._uri, self._texts, self._model_name = uri.rstrip("/"), texts, model_name
        self.found = Found()
        self._files: Any
        self._files, self._paths = (None, []) if uri.startswith(SCHEME) else _listed(self._uri)
        self.kind = kind or (VERTEX if uri.startswith(SCHEME) else self._looked())
        if (self.kind == VERTEX) != uri.startswith(SCHEME):
            raise TaskError(
                f"log_format is {self.kind}, but logs is {redact(uri)!r:.80}; Vertex AI logs to a BigQuery table, bq://PROJECT.DATASET.TABLE"
            )

    def read(self, window: Window) -> Iterator[LoggedRows]:
        """Yields the rows of a window; rows whose time the log does not tell are in every window.

        Raises:
            TaskError: The log cannot be read.
        """
        self.found = Found(not_logged=list(_NOT_LOGGED[self.kind]))
        batches = read_bigquery(self._uri, window, self.found) if self.kind == VERTEX else self._batches(window)
        for rows in batches:
            self.found.count(rows, window)
            kept = rows.filter(window.holds(rows.about.column("time")).fill_null(True))
            if len(kept):
                yield kept
            figure(f"read {self.found.rows:,} logged rows")
        if self.found.untimed:
            self.found.not_logged.append(NO_TIME)

    def _batches(self, window: Window) -> Iterator[LoggedRows]:
        paths = [path for path in self._paths if path.endswith(_ENDS[self.kind]) and self._is_of_model(path)]
        if self.kind == KSERVE:
            yield from Joined(self.found).rows(record for path in paths for record in self._records(path))
            return
        for path in paths:
            if _written(path) < window.start:
                continue
            with self._opened(path) as file:
                yield from read_json_lines(file, self._texts, self.found)

    def _records(self, path: str) -> Iterator[dict[str, Any]]:
        with self._opened(path) as file:
            yield from read_records(file.read(), path, self.found)

    def _is_of_model(self, path: str) -> bool:
        return not self._model_name or self.kind == KSERVE or self._model_name in PurePosixPath(path).parts

    def _opened(self, path: str) -> Any:
        self.found.files += 1
        try:
            with explaining(f"the log's file {redact(path)} cannot be read", "make it readable", FileNotFoundError):
                return self._files.open(path, "rb")
        except FileNotFoundError:  # log rotation may delete a file meanwhile
            self.found.vanished += 1
            return _Nothing()

    def _looked(self) -> str:
        """Looks into the first file that says anything."""
        for path in self._paths:
            if path.endswith((".csv", ".parquet")):
                return KSERVE
            if path.endswith((".json", ".jsonl")):
                with self._files.open(path, "rb") as file:
                    start = file.read(1 << 16)
                if b'"instance":' in start and b'"prediction":' in start:
                    return PENSTOCK
                if b'"reqType"' in start or b'"specversion"' in start or b"org.kubeflow.serving.inference" in start:
                    return KSERVE
        return PENSTOCK


class _Nothing:
    """A file that is gone."""

    def __enter__(self) -> "_Nothing":
        return self

    def __exit__(self, *_: Any) -> None: ...

    def read(self, size: int = -1) -> bytes:
        """Returns nothing."""
        return b""


def _listed(uri: str) -> tuple[Any, list[str]]:
    with explaining(f"the log {redact(uri)} cannot be listed", "correct logs"):
        files, root = open_filesystem(uri)
        if files.isfile(root):
            return files, [root]
        paths = sorted(files.find(root))
    return files, [path for path in paths if not PurePosixPath(path).name.startswith((".", "_"))]


def _written(path: str) -> datetime:
    """Returns when a file of the prediction log was written, as its name has it, which is after all of its rows; else the end of time."""
    name = PurePosixPath(path)
    try:
        return datetime.strptime(f"{name.parent.name} {name.name[:6]}", "%Y-%m-%d %H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.max.replace(tzinfo=timezone.utc)


def with_ids(rows: LoggedRows, field: str) -> LoggedRows:
    """Returns rows whose ids are those in a feature, where they have it: logs beside the server have the field that it takes out."""
    if not field or field not in rows.features.schema.names:
        return rows
    keys = rows.features.column(field)
    texts = keys if pa.types.is_string(keys.type) else pc.cast(keys.cast(pa.int64(), safe=False), pa.string())
    place = rows.about.schema.get_field_index("id")
    about = rows.about.set_column(place, "id", pc.coalesce(texts, rows.about.column("id")))
    return LoggedRows(about, rows.features.drop_columns([field]), rows.predictions)

"""The prediction log: some of the requests and answers, as JSON lines, to monitor drift.

`<uri>/<model name>/<date>/<time>-<host>-<number>.jsonl`, a row per line: `id`, `time` (UTC), `model_name`, `version`, `fingerprint`,
`instance`, `prediction`. A file is there whole or not at all.

With a feature service, `instance` has the keys too, and the features that the server added: as the store has them, null where it has no
value. `fetched` is the sorted list of their names. Where the store was away and defaults stood for them, `instance` has the defaults,
`fetched` is empty and `features_defaulted` is true. A row that lacked no feature has neither of the two fields.
"""

import hashlib
import itertools
import logging
import os
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from fsspec.implementations.local import LocalFileSystem
from prometheus_client import Counter

from penstock.components.data.filesystems import open_store
from penstock.components.evidence.answers import to_predictions, to_rows
from penstock.components.protocol.atomic import atomically
from penstock.components.release.modes import group_readable

from .json_rows import to_list
from .row_keys import Keys
from .saved_model import Arrays
from .version import LoadedVersion

if TYPE_CHECKING:
    from .online_features import Fetched

logger = logging.getLogger(__name__)
_DROPPED = Counter("penstock_prediction_log_dropped", "Requests that should have been logged and were not", ["reason"])
for _reason in ("busy", "error", "storage"):  # Prometheus sees no increase of a series that begins with 1
    _DROPPED.labels(_reason)
_LOGGED = Counter("penstock_prediction_log_rows", "Rows written to the prediction log")
# What does not fit in is dropped: no answer waits for the log.
_WAITING_REQUESTS = 4096
_WAITING_FILES = 4
_END_SECONDS = 10.0
_TICK_SECONDS = 0.5
_RETRY_SECONDS = 30.0


@dataclass(frozen=True)
class _Entry:
    time: float
    version: LoadedVersion
    request_id: str
    keys: Keys
    instances: Any
    predictions: Any
    fetched: "Fetched | None"


@dataclass
class _File:
    """Rows of one model that go into one file."""

    model_name: str
    begun: float = field(default_factory=time.monotonic)
    content: bytearray = field(default_factory=bytearray)
    rows: int = 0
    requests: int = 0


class PredictionLog:
    """Keeps a sample of the requests. Use it as a context manager: what it has is written when it ends.

    Args:
        uri: A folder, or a bucket's URI that fsspec knows.
        sample: The share of the ids: all rows of one id are kept, or none.
        max_bytes: The size at which a file is written.
        max_seconds: The age at which it is written.
    """

    def __init__(self, uri: str, sample: float, max_bytes: int, max_seconds: float) -> None:
        self._uri, self._sample, self._max_bytes, self._max_seconds = uri.rstrip("/"), sample, max_bytes, max_seconds
        self._entries: queue.SimpleQueue[_Entry] = queue.SimpleQueue()
        self._files: dict[str, _File] = {}
        self._ready: deque[_File] = deque()
        self._retry_at = 0.0
        self._written = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)

    def __enter__(self) -> "PredictionLog":
        """Begins to write, in a thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Writes what there is; gives up after some seconds."""
        self._ending.set()
        self._thread.join(_END_SECONDS)

    def offer(
        self,
        version: LoadedVersion,
        request_id: str,
        keys: Keys,
        instances: Any,
        predictions: Any,
        fetched: "Fetched | None" = None,
    ) -> None:
        """Keeps what is in the sample of a request and its answer. Costs next to nothing and never fails.

        Args:
            version: The version that answered.
            request_id: The request's id, which is that of rows without a key, with the row's number.
            keys: What the client calls its rows; empty if it does not say.
            instances: The rows, as they were asked.
            predictions: The answers.
            fetched: What the server added to them.
        """
        if not keys and not self._has(request_id):
            return
        if self._entries.qsize() >= _WAITING_REQUESTS:
            _DROPPED.labels("busy").inc()
            return
        self._entries.put(_Entry(time.time(), version, request_id, keys, instances, predictions, fetched))

    def _has(self, identity: str) -> bool:
        """Tells whether an id is in the sample, which is the same for every server."""
        digest = hashlib.blake2b(identity.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._sample * 2**64

    def _work(self) -> None:
        while not self._ending.is_set():
            self._take(_TICK_SECONDS)
            self._close_files(time.monotonic())
            self._write_files()
        while not self._entries.empty():
            self._take(0)
        self._close_files(float("inf"))
        self._write_files()

    def _take(self, patience: float) -> None:
        try:
            entry = self._entries.get(timeout=patience)
        except queue.Empty:
            return
        try:
            self._add(entry)
        except Exception:  # the thread has to outlive what it cannot write down
            logger.exception("cannot log a prediction")
            _DROPPED.labels("error").inc()

    def _add(self, entry: _Entry) -> None:
        rows = [row for identity, row in _rows(entry) if self._has(identity)]
        if not rows:
            return
        file = self._files.setdefault(entry.version.model_name, _File(entry.version.model_name))
        for row in rows:
            file.content += orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        file.rows += len(rows)
        file.requests += 1

    def _close_files(self, now: float) -> None:
        for name, file in list(self._files.items()):
            if len(file.content) >= self._max_bytes or now - file.begun >= self._max_seconds:
                self._ready.append(self._files.pop(name))
        while len(self._ready) > _WAITING_FILES:
            _DROPPED.labels("storage").inc(self._ready.popleft().requests)

    def _write_files(self) -> None:
        """Writes what is ready. What cannot be written now is tried again after a while."""
        while self._ready and (self._ending.is_set() or time.monotonic() >= self._retry_at):
            file = self._ready[0]
            try:
                self._write(file)
            except Exception as error:
                logger.warning("cannot write the prediction log to %s (%s: %s)", self._uri, type(error).__name__, error)
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                return
            _LOGGED.inc(file.rows)
            self._ready.popleft()

    def _write(self, file: _File) -> None:
        now = datetime.now(timezone.utc)
        name = f"{now:%H%M%S}-{socket.gethostname()}-{os.getpid()}-{self._written}.jsonl"
        files, folder = open_store(f"{self._uri}/{file.model_name}/{now:%Y-%m-%d}")
        if isinstance(files, LocalFileSystem):  # an object in a bucket appears whole
            _write_file(Path(folder), name, bytes(file.content))
        else:
            files.pipe_file(f"{folder}/{name}", bytes(file.content))
        self._written += 1


def _write_file(folder: Path, name: str, content: bytes) -> None:
    """Writes a file whole or not at all; what was asked is for its user and group alone to read."""
    folder.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    folder.mkdir(mode=0o750, exist_ok=True)
    with atomically(folder / name) as scratch, open(scratch, "wb", opener=group_readable) as file:
        file.write(content)


def _rows(entry: _Entry) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the rows, each with what decides whether it is in the sample: its key, or the request's id."""
    version = entry.version
    described = {
        "time": datetime.fromtimestamp(entry.time, timezone.utc).isoformat(timespec="milliseconds"),
        "model_name": version.model_name,
        "version": version.version,
        "fingerprint": version.fingerprint,
    }
    instances = _by_row(entry.instances)
    asked = entry.fetched.logged(instances, version.model) if entry.fetched else [{"instance": instance} for instance in instances]
    answered = zip(asked, _by_row(entry.predictions, single=True), strict=False)
    for number, ((fields, prediction), key) in enumerate(zip(answered, entry.keys or itertools.repeat(None), strict=False)):
        name = "" if key is None else str(key)
        row = {"id": name or f"{entry.request_id}/{number}"} | described | fields | {"prediction": prediction}
        yield name or entry.request_id, row


def _by_row(values: list[Any] | Arrays, single: bool = False) -> list[Any]:
    """Returns the rows of V1's lists as they are, and those of V2's arrays by name; a single one's without it, as V1 has predictions."""
    if isinstance(values, list):
        return values
    columns = {name: to_list(name, array) for name, array in values.items()}
    return to_predictions(columns) if single else to_rows(columns)

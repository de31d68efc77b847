"""What becomes of one InferenceService, as a cluster's API server tells of it: event by event."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from .cleaning import cleaned

_GONE = 410
# For how long the server holds one watch open, and how long its end may be waited for when the recording ends.
_WATCH_SECONDS = 5
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Kind:
    """A kind of object that belongs to InferenceServices.

    Attributes:
        place: The API's path, below which namespaces lie.
        plural: Its name there.
    """

    place: str
    plural: str


KINDS = (
    Kind("/apis/serving.kserve.io/v1beta1", "inferenceservices"),
    Kind("/apis/apps/v1", "deployments"),
    Kind("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    Kind("/apis/serving.knative.dev/v1", "services"),
    Kind("/apis/serving.knative.dev/v1", "revisions"),
    Kind("/api/v1", "pods"),
    Kind("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    Kind("/api/v1", "events"),
)


class Recorder:
    """Writes what happens to everything that is called like an InferenceService, or begins with its name and a hyphen, and to their Events.

    Args:
        api: The cluster.
        namespace: The InferenceService's namespace.
        name: The InferenceService's name; it need not be there yet.
        file: `NAME.jsonl.gz`: one JSON object a line, `at` (seconds), `type` and `object`.

    Attributes:
        lacking: The kinds that the cluster does not have, or does not show.
        count: How many lines were written.
    """

    def __init__(self, api: client.ApiClient, namespace: str, name: str, file: Path) -> None:
        self.lacking: list[str] = []
        self.count = 0
        self._api, self._namespace, self._name = api, namespace, name
        self._stream = gzip.open(file, "wt", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._began, self._stop, self._lock = time.monotonic(), threading.Event(), threading.Lock()
        self._begun = {kind: threading.Event() for kind in KINDS}
        self._threads = [threading.Thread(target=self._follow, args=(kind,), daemon=True) for kind in KINDS]

    def __enter__(self) -> "Recorder":
        """Begins: what happens from now on is seen."""
        for thread in self._threads:
            thread.start()
        for begun in self._begun.values():
            begun.wait(_PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: Any) -> None:
        """Ends, and closes the file."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)
        with self._lock:
            self._stream.close()

    def _follow(self, kind: Kind) -> None:
        """Watches a kind again and again: a server ends each watch after a while."""
        seen: set[tuple[str, str]] = set()
        version = ""
        while not self._stop.is_set():
            try:
                for event in self._watch(kind, version):
                    version = self._take(event, seen)
            except ApiException as error:
                if error.status in (403, 404):
                    self.lacking.append(f"{kind.plural} ({error.status})")
                    self._begun[kind].set()
                    return
                version = ""
                self._stop.wait(1)
            except (urllib3.exceptions.HTTPError, ValueError):  # cut off
                self._stop.wait(1)

    def _watch(self, kind: Kind, version: str) -> Iterator[dict[str, Any]]:
        """Yields events after a version; without one also what is there already, as `ADDED`."""
        query = {"watch": "true", "timeoutSeconds": str(_WATCH_SECONDS), "resourceVersion": version}
        answer = self._api.call_api(
            f"{kind.place}/namespaces/{self._namespace}/{kind.plural}",
            "GET",
            query_params=[(name, value) for name, value in query.items() if value],
            auth_settings=["BearerToken"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=(10, 3 * _WATCH_SECONDS),
        )
        self._begun[kind].set()
        rest = b""
        for piece in answer.stream():
            *lines, rest = (rest + piece).split(b"\n")
            yield from (json.loads(line) for line in lines if line.strip())

    def _take(self, event: dict[str, Any], seen: set[tuple[str, str]]) -> str:
        """Writes an event that is new and of the name; returns the version after which to go on."""
        item = event["object"]
        if event["type"] == "ERROR":
            if item.get("code") == _GONE:
                return ""
            raise ValueError(item.get("message", "the watch failed"))
        metadata = item["metadata"]
        known = metadata.get("uid", metadata.get("name")), f"{event['type'] == 'DELETED'} {metadata['resourceVersion']}"
        if known not in seen and self._is_meant(item):
            seen.add(known)
            self._write(event)
        return metadata["resourceVersion"]

    def _is_meant(self, item: dict[str, Any]) -> bool:
        name = item.get("involvedObject", item["metadata"]).get("name", "")
        return name == self._name or name.startswith(f"{self._name}-")

    def _write(self, event: dict[str, Any]) -> None:
        item = cleaned(event["object"])
        with self._lock:
            if not self._stream.closed:
                at = round(time.monotonic() - self._began, 2)
                self._stream.write(f"{json.dumps({'at': at, 'type': event['type'], 'object': item})}\n")
                self.count += 1

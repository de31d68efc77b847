"""What the containers of Vertex AI's custom jobs print, in Cloud Logging.

Source: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession

from .vertex import VertexApi

# The variable by which gcloud and the Cloud SDK's tools know another address, such as a private one.
_ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING"
_BY_PAGE = 1000
_SECONDS = 30.0
_OF_THE_SERVICE = "service"  # lines that the job's machinery writes, not the container


def entries(api: VertexApi, jobs: Iterable[str], since: str = "") -> Iterator[dict[str, Any]]:
    """Yields the log entries of the containers of some custom jobs, the earliest first.

    Args:
        api: Who asks.
        jobs: The jobs' IDs.
        since: The time from which on, in RFC 3339 format; empty for all.

    Raises:
        GoogleAPICallError: Cloud Logging refuses.
        GoogleAuthError: The credentials do.
        RequestException: Cloud Logging cannot be reached.
    """
    address = os.environ.get(_ENDPOINT) or "https://logging.googleapis.com/"
    words = {
        "resourceNames": [f"projects/{api.project}"],
        "filter": _filter(jobs, since),
        "orderBy": "timestamp asc",
        "pageSize": _BY_PAGE,
    }
    with AuthorizedSession(api.credentials) as session:
        page: dict[str, Any] = {"nextPageToken": ""}
        while "nextPageToken" in page:
            asked = words | {"pageToken": page["nextPageToken"]}
            response = session.post(f"{address.rstrip('/')}/v2/entries:list", json=asked, timeout=_SECONDS)
            if not response.ok:
                raise exceptions.from_http_response(response)
            page = response.json()
            yield from (entry for entry in page.get("entries", []) if replica_of(entry) != _OF_THE_SERVICE)


def replica_of(entry: dict[str, Any]) -> str:
    """Returns the name of the replica whose container has printed an entry, such as `workerpool0-0`; empty where it has none."""
    return entry.get("resource", {}).get("labels", {}).get("task_name", "")


def lines_of(entry: dict[str, Any]) -> list[str]:
    """Returns the lines of an entry."""
    return str(entry.get("textPayload") or entry.get("jsonPayload", {}).get("message") or "").splitlines()


def _filter(jobs: Iterable[str], since: str) -> str:
    ids = " OR ".join(f'"{job}"' for job in dict.fromkeys(jobs))
    return f'resource.type="ml_job" AND resource.labels.job_id=({ids})' + (f' AND timestamp>="{since}"' if since else "")

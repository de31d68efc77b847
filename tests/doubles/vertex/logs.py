"""Cloud Logging's `entries:list`, for what custom jobs have printed, those of pipelines' tasks among them.

Source: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .errors import ApiError
from .identity import Identity
from .names import Names
from .web import Answer, Question

_PATH = "/v2/entries:list"
_JOBS = re.compile(r'resource\.labels\.job_id\s*=\s*(\([^)]*\)|"?[0-9]+"?)')
_SINCE = re.compile(r'timestamp\s*>=\s*"([^"]+)"')
_MOST_ENTRIES = 1000
_DEFAULT_PAGE = 50
LIST = "logging.logEntries.list"


@dataclass(frozen=True)
class Line:
    """What the container of a replica has printed at a time."""

    replica: str
    when: datetime
    text: str


def lines_of(log: Path | None) -> list[Line]:
    """Returns the lines of a file, as those of a job's only replica."""
    if not log or not log.exists():
        return []
    began = datetime.fromtimestamp(log.stat().st_ctime, timezone.utc)
    texts = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [Line("workerpool0-0", began + timedelta(microseconds=place), text) for place, text in enumerate(texts)]


class Logs:
    """The entries of custom jobs (the resource `ml_job`), by the jobs' numbers.

    Args:
        names: The project.
        identity: The tokens.
        denied: The permissions that the caller lacks.
        sources: Each gives a job's lines, none for a job that it does not know.
    """

    def __init__(self, names: Names, identity: Identity, denied: Collection[str], *sources: Callable[[str], list[Line]]) -> None:
        self._names = names
        self._identity = identity
        self._denied = denied
        self._sources = sources

    def answer(self, question: Question) -> Answer | None:
        """Answers entries:list; None for any other path."""
        if (question.method, question.path) != ("POST", _PATH):
            return None
        try:
            self._identity.check(question.headers.get("authorization", ""))
        except ApiError as error:
            return Answer.refusal(401, error.message)
        asked = question.body or {}
        known = {f"projects/{self._names.project}", f"projects/{self._names.number}"}
        if LIST in self._denied or not asked.get("resourceNames") or not known.issuperset(asked["resourceNames"]):
            return Answer.refusal(403, f"Permission denied for {asked.get('resourceNames')}: {LIST}")
        match = _JOBS.search(asked.get("filter", ""))
        jobs = re.findall("[0-9]+", match[1]) if match and '"ml_job"' in asked["filter"] else []
        since = _SINCE.search(asked.get("filter", ""))
        entries = [entry for job in jobs for entry in self._entries(job, datetime.fromisoformat(since[1]) if since else None)]
        if asked.get("orderBy") == "timestamp desc":
            entries.reverse()
        start = int(asked.get("pageToken") or 0)
        end = start + min(int(asked.get("pageSize") or _DEFAULT_PAGE), _MOST_ENTRIES)
        more = {"nextPageToken": str(end)} if end < len(entries) else {}
        return Answer(200, {"entries": entries[start:end], **more})

    def _entries(self, job: str, since: datetime | None) -> list[dict[str, Any]]:
        lines = [line for source in self._sources for line in source(job)]
        return [self._entry(job, place, line) for place, line in enumerate(lines) if since is None or line.when >= since]

    def _entry(self, job: str, place: int, line: Line) -> dict[str, Any]:
        return {
            "insertId": f"{job}-{place:08}",
            "logName": f"projects/{self._names.project}/logs/{line.replica}",
            "resource": {"type": "ml_job", "labels": {"job_id": job, "project_id": self._names.project, "task_name": line.replica}},
            "timestamp": line.when.isoformat().replace("+00:00", "Z"),
            "severity": "INFO",
            "jsonPayload": {"message": f"{line.text}\n", "levelname": "INFO"},
        }

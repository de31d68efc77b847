"""Cloud Logging's `entries:list`, for what the tasks of pipeline jobs have printed.

Source: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .errors import ApiError
from .identity import Identity
from .names import Names
from .web import Answer, Question

_PATH = "/v2/entries:list"
_JOBS = re.compile(r'resource\.labels\.job_id\s*=\s*(\([^)]*\)|"?[0-9]+"?)')
_MOST_ENTRIES = 1000
_DEFAULT_PAGE = 50


class Logs:
    """The entries of tasks' custom jobs (the resource `ml_job`), by the jobs' numbers."""

    def __init__(self, names: Names, identity: Identity, log: Callable[[str], Path | None]) -> None:
        self._names = names
        self._identity = identity
        self._log = log

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
        if not asked.get("resourceNames") or not known.issuperset(asked["resourceNames"]):
            return Answer.refusal(403, f"Permission denied for {asked.get('resourceNames')}: logging.logEntries.list")
        match = _JOBS.search(asked.get("filter", ""))
        jobs = re.findall("[0-9]+", match[1]) if match and '"ml_job"' in asked["filter"] else []
        entries = [entry for job in jobs for entry in self._entries(job)]
        if asked.get("orderBy") == "timestamp desc":
            entries.reverse()
        start = int(asked.get("pageToken") or 0)
        end = start + min(int(asked.get("pageSize") or _DEFAULT_PAGE), _MOST_ENTRIES)
        more = {"nextPageToken": str(end)} if end < len(entries) else {}
        return Answer(200, {"entries": entries[start:end], **more})

    def _entries(self, job: str) -> list[dict[str, Any]]:
        log = self._log(job)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log and log.exists() else []
        began = datetime.fromtimestamp(log.stat().st_ctime, timezone.utc) if lines and log else datetime.now(timezone.utc)
        return [self._entry(job, place, line, began + timedelta(microseconds=place)) for place, line in enumerate(lines)]

    def _entry(self, job: str, place: int, line: str, when: datetime) -> dict[str, Any]:
        return {
            "insertId": f"{job}-{place:08}",
            "logName": f"projects/{self._names.project}/logs/workerpool0-0",
            "resource": {"type": "ml_job", "labels": {"job_id": job, "project_id": self._names.project, "task_name": "workerpool0-0"}},
            "timestamp": when.isoformat().replace("+00:00", "Z"),
            "severity": "INFO",
            "jsonPayload": {"message": f"{line}\n", "levelname": "INFO"},
        }

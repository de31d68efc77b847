"""Finds the latest complete Span of the data."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from penstock.components.data.filesystems import explaining, open_filesystem
from penstock.components.data.input_pattern import InputPattern
from penstock.components.protocol import TaskError, figure, redact
from penstock.components.release.registry import Lineage, open_registry

# What each filesystem calls the time of a file's last change.
_CHANGED = ("mtime", "LastModified", "last_modified", "updated", "timeModified")


class Outputs(NamedTuple):
    """The output parameters of find_span."""

    span: str
    is_new: str


def find_span(
    input_uri: str,
    marker: str = "",
    settled_minutes: float = 60.0,
    trained_span: str = "",
    model_name: str = "",
    alias: str = "champion",
    tracking_uri: str = "",
    registry_uri: str = "",
) -> Outputs:
    """Finds the Span; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The pattern numbers no Spans or cannot be listed, a Span is no number, or the registry does not answer.
    """
    if "/" in marker:
        raise TaskError(f"marker is {marker!r:.60}; give the name of a file in the folder of a Span's files, such as _SUCCESS")
    now = datetime.now(timezone.utc)
    known = trained_span or (_trained(model_name, alias, tracking_uri, registry_uri) if model_name else "")
    if known and not known.isdecimal():
        raise TaskError(f"the Span that the model has seen is {known!r:.40}, not a number; give trained_span")
    spans = _spans(input_uri)
    latest = None
    waiting: list[int] = []
    for span in sorted(spans, reverse=True):
        if spans[span].is_complete(marker, now - timedelta(minutes=settled_minutes)):
            latest = span
            break
        waiting.append(span)
    is_new = latest is not None and (not known or latest > int(known))
    finding = "no Span is complete" if latest is None else f"Span {latest} is {'new' if is_new else 'known'}"
    figure(finding + (f"; incomplete: {', '.join(map(str, waiting[:3]))}" if waiting else ""))
    return Outputs("" if latest is None else str(latest), str(is_new).lower())


class _Span:
    """The files of a Span.

    Args:
        files: The filesystem.
    """

    def __init__(self, files: Any) -> None:
        self._files = files
        self._found: dict[str, dict[str, Any]] = {}

    def add(self, path: str, about: dict[str, Any]) -> None:
        """Adds a file, or a folder that is the Span."""
        self._found[path] = about

    def is_complete(self, marker: str, settled: datetime) -> bool:
        """Tells whether the Span is complete: with a marker in each of its folders, or unchanged since a moment."""
        if marker:
            return all(self._files.exists(f"{folder}/{marker}") for folder in self._folders())
        return all(changed is not None and changed <= settled for changed in map(_changed, self._data()))

    def _folders(self) -> set[str]:
        return {path if about.get("type") == "directory" else str(PurePosixPath(path).parent) for path, about in self._found.items()}

    def _data(self) -> Iterator[dict[str, Any]]:
        for path, about in self._found.items():
            yield from self._files.find(path, detail=True).values() if about.get("type") == "directory" else [about]


def _spans(input_uri: str) -> dict[int, _Span]:
    pattern = InputPattern(input_uri)
    if not pattern.has_spans:
        raise TaskError(
            f"input_uri {redact(input_uri)!r:.80} numbers no Spans; give one with {{SPAN}}, or with {{YYYY}}, {{MM}} and {{DD}}"
        )
    with explaining(f"input_uri {redact(input_uri)!r:.80} cannot be listed", "correct it"):
        files, path = open_filesystem(input_uri)
        pattern = InputPattern(path)
        matches = files.glob(pattern.glob, detail=True)
    found: dict[int, _Span] = {}
    for match, about in matches.items():
        numbers = pattern.numbers(match)
        if numbers and not PurePosixPath(match).name.startswith((".", "_")):
            found.setdefault(numbers[0], _Span(files)).add(match, about)
    return found


def _changed(about: dict[str, Any]) -> datetime | None:
    """Returns when a file has last changed; None where its filesystem does not tell."""
    value = next((about[name] for name in _CHANGED if about.get(name)), None)
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, timezone.utc)
    if isinstance(value, str):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value


def _trained(model_name: str, alias: str, tracking_uri: str, registry_uri: str) -> str:
    serving = open_registry(model_name, tracking_uri, registry_uri).resolve(alias)
    return Lineage.from_tags(serving.tags).data_span if serving else ""

"""One run: parts are scored one after the other, and those that are complete are passed over."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.components.data.examples import read_file
from penstock.components.evidence.scores import Scores
from penstock.components.protocol import TaskError, figure, file_sha256

from .columns import Columns
from .files import PartFiles, count_rows
from .limit import Limit
from .parts import Part
from .place import Place
from .scorer import Scored, Scorer

RUN_FILE, MANIFEST_FILE = "run.json", "manifest.json"
_SECONDS_BETWEEN_FIGURES = 5.0
# The reasons that are kept of a part, and shown of all.
MOST_REASONS = 20


@dataclass
class Run:
    """What scores, where to, and what has been scored.

    Attributes:
        place: Where the output goes.
        scorers: Makes what scores, one for each worker; asked when the first part needs it.
        columns: The columns of the output.
        kind: `parquet`, `csv` or `jsonl`.
        limit: How many rows may fail.
    """

    place: Place
    scorers: Callable[[], list[Scorer]]
    columns: Columns
    kind: str
    limit: Limit

    def score(self, parts: list[Part]) -> list[dict[str, Any]]:
        """Scores the parts that are not complete; returns the record of each.

        Raises:
            TaskError: More rows than may cannot be scored, or fewer rows came out than went in.
        """
        records, done = [], 0
        for part in parts:
            record = self._complete(part)
            if record is None:
                record = self._score(part, done)
            else:
                if record["errors"]:
                    self.limit.add(record["errors"], f"one of those of the part {part.name}, which an earlier attempt scored")
                figure(f"{part.name} is complete already")
            records.append(record)
            done += part.rows
        return records

    def _complete(self, part: Part) -> dict[str, Any] | None:
        """Returns the record of a part that an earlier attempt has scored: same rows, and every file as it was written."""
        record = self.place.read(f"parts/{part.name}.json")
        if record is None or record.get("sha256") != part.sha256:
            return None
        return record if all(self.place.size(file["name"]) == file["bytes"] for file in record["files"]) else None

    def _score(self, part: Part, before: int) -> dict[str, Any]:
        at, scores = datetime.now(timezone.utc), Scores()
        scored_rows = failed_rows = 0
        reasons: Counter[str] = Counter()
        shown = started = time.monotonic()
        with self.place.scratch() as scratch:
            good_files = PartFiles(scratch, "predictions", part.name, self.kind, self.columns.scored, self.columns.partition_by)
            with good_files as good, PartFiles(scratch, "errors", part.name, self.kind, self.columns.failed, "") as bad:
                for batch, scored in _in_parallel(self.scorers(), read_file(part.path)):
                    scored_rows += len(scored.rows)
                    failed_rows += len(scored.reasons)
                    if len(scored.rows):
                        good.write(self.columns.scored_rows(batch, scored, at))
                        scores.add(scored.answers)
                    if scored.reasons:
                        reasons.update(scored.reasons.values())
                        bad.write(self.columns.failed_rows(batch, scored))
                    if time.monotonic() - shown > _SECONDS_BETWEEN_FIGURES:
                        shown = time.monotonic()
                        figure(
                            f"scored {before + scored_rows + failed_rows:,} of {self.limit.rows:,} rows, "
                            f"{scored_rows / (shown - started):,.0f} rows/s"
                        )
            record = {
                "name": part.name,
                "sha256": part.sha256,
                "input_rows": part.rows,
                "rows": scored_rows,
                "errors": failed_rows,
                "scored_at": at.isoformat(timespec="microseconds"),
                "reasons": dict(reasons.most_common(MOST_REASONS)),
                "scores": scores.as_json(),
            }
            files = [_described(scratch, name, rows) for name, rows in (good.rows | bad.rows).items()]
            _check_rows(part, record, files)
            for file in files:
                self.place.put(scratch / file["name"], file["name"], file["sha256"])
            record["files"] = files
            self.place.write(scratch, f"parts/{part.name}.json", record)
        return record


def _described(scratch: Path, name: str, rows: int) -> dict[str, Any]:
    file = scratch / name
    written = count_rows(file)
    if written != rows:
        raise TaskError(f"{name} has {written:,} rows, and {rows:,} were written to it; run the task again")
    return {"name": name, "rows": rows, "bytes": file.stat().st_size, "sha256": file_sha256(file)}


def _check_rows(part: Part, record: dict[str, Any], files: list[dict[str, Any]]) -> None:
    """Checks that no row was lost or doubled: those that the files have are those that the part has."""
    rows, errors = (sum(file["rows"] for file in files if file["name"].startswith(folder)) for folder in ("predictions/", "errors/"))
    if (rows, errors) != (record["rows"], record["errors"]) or rows + errors != part.rows:
        raise TaskError(
            f"{part.path} has {part.rows:,} rows, of which {rows:,} were scored and {errors:,} were not; "
            "the file changed while it was read: "
            "run the task again, and let nothing write there"
        )


def _in_parallel(scorers: list[Scorer], batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, Scored]]:
    """Scores batches, each scorer one at a time; they come out in their order, and few are in memory."""
    waiting: deque[tuple[pa.RecordBatch, Future[Scored]]] = deque()
    with ThreadPoolExecutor(len(scorers)) as pool:
        try:
            for number, batch in enumerate(batches):
                waiting.append((batch, pool.submit(scorers[number % len(scorers)].score, batch)))
                if len(waiting) > len(scorers):
                    ready, future = waiting.popleft()
                    yield ready, future.result()
            while waiting:
                ready, future = waiting.popleft()
                yield ready, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

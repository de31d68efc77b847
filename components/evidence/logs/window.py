"""The window of time that is looked at, and what was found in a log beside its rows."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.compute as pc

from penstock.components.data.times import moment
from penstock.components.protocol import TaskError

from .logged_rows import TIME, LoggedRows

# Clocks of machines that are set by the network differ by less.
_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True)
class Window:
    """From when to when; what lies at the end is not in it."""

    start: datetime
    end: datetime

    @classmethod
    def read(cls, start: str, end: str, hours: float, now: datetime) -> "Window":
        """Reads the parameters that say which window.

        Args:
            start: Its start; empty: some hours before its end.
            end: Its end; empty: now.
            hours: The hours.
            now: The time now.

        Raises:
            TaskError: They say none.
        """
        ends = _moment(end, "window_end") if end else now
        if not start and not hours > 0:
            raise TaskError(f"window_hours is {hours:g}; give a number above 0, or set window_start")
        starts = _moment(start, "window_start") if start else ends - timedelta(hours=hours)
        if starts >= ends:
            raise TaskError(f"window_start {starts.isoformat()} is not before the window's end, {ends.isoformat()}; correct one of them")
        return cls(starts, ends)

    def before(self, count: int) -> list["Window"]:
        """Returns windows of the same length that lie before this one, the latest first."""
        length = self.end - self.start
        return [Window(self.start - number * length, self.end - number * length) for number in range(1, count + 1)]

    def holds(self, times: pa.Array) -> pa.BooleanArray:
        """Tells which times are in the window; null for those that are not known."""
        after, before = (pa.scalar(time, TIME) for time in (self.start, self.end))
        return pc.and_(pc.greater_equal(times, after), pc.less(times, before))


@dataclass
class Found:
    """What was found in a log, beside its rows.

    Attributes:
        files: The files, or tables, that were read.
        rows: The rows, of every time.
        newest: The time of the newest row; None where the log has none, or does not tell.
        unreadable: Lines or records that could not be read.
        cut_short: Files whose last line was half written.
        unanswered: Requests without an answer that were logged.
        unasked: Answers without a request that were logged.
        untimed: Rows whose time the log does not tell.
        ahead: Rows that are later than now by more than what clocks differ.
        vanished: Files that were gone before they could be read.
        not_logged: What the log does not contain, in words.
    """

    files: int = 0
    rows: int = 0
    newest: datetime | None = None
    unreadable: int = 0
    cut_short: int = 0
    unanswered: int = 0
    unasked: int = 0
    untimed: int = 0
    ahead: int = 0
    vanished: int = 0
    not_logged: list[str] = field(default_factory=list)

    def count(self, rows: LoggedRows, window: Window) -> None:
        """Counts some rows. What is later than the window and than now has the time of another clock."""
        times = rows.about.column("time")
        self.rows += len(rows)
        self.untimed += times.null_count
        latest_known = max(datetime.now(timezone.utc) + _CLOCKS_DIFFER, window.end)
        self.ahead += int(pc.sum(pc.greater(times, pa.scalar(latest_known, TIME))).as_py() or 0)
        latest = pc.max(times).as_py()
        if latest is not None:
            self.newest = max(self.newest or latest, latest)


def _moment(text: str, parameter: str) -> datetime:
    try:
        return moment(text.strip())
    except ValueError as error:
        raise TaskError(f"{parameter} is {text!r:.60}, which is not a time; give one such as 2026-11-21T06:00:00+00:00") from error

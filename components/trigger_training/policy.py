"""Whether a training is to be started: a decision from the verdicts, and from the runs that were started before."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from .places.place import StartedRun

NOT_NEEDED, WAITING, ALREADY, RUNNING = "not_needed", "waiting", "already_triggered", "already_running"
SAME_EPISODE, COOLING, LIMIT, TRIGGERED = "same_episode", "cooling_down", "limit_reached", "triggered"
PREFIX = "retrain-"
_DIGITS = 12
_KEYS = rf"[0-9a-f]{{{_DIGITS}}}-[0-9a-f]{{{_DIGITS}}}"
# A name has at most 128 characters on Vertex AI.
_LONGEST_PIPELINE = 80
_GOING = {"waiting", "running"}


@dataclass(frozen=True)
class Cause:
    """Why a training is to be started.

    Attributes:
        pipeline: The training pipeline's name.
        champion: The fingerprint of the model that serves.
        data: The Span, or the window.
        reason: The verdict, or `new_data`.
    """

    pipeline: str
    champion: str
    data: str
    reason: str

    @property
    def family(self) -> str:
        """What the names of all trainings of the pipeline begin with that were started like this."""
        return f"{PREFIX}{self.pipeline[:_LONGEST_PIPELINE]}-"

    def is_of_family(self, name: str) -> bool:
        """Tells whether a run's name is that of a training of the pipeline that was started like this."""
        return bool(re.fullmatch(re.escape(self.family) + _KEYS, name))

    @property
    def episode(self) -> str:
        """What the names of the trainings of one episode begin with: for one champion's verdicts, or for one Span."""
        return f"{self.family}{_digest(self.champion, self.data if self.reason == 'new_data' else '')}-"

    @property
    def name(self) -> str:
        """The run's name: the same cause has the same."""
        return f"{self.episode}{_digest(self.pipeline, self.champion, self.data, self.reason)}"


@dataclass(frozen=True)
class Limits:
    """How often trainings may be started.

    Attributes:
        cooldown: The time between two.
        most: The most in a period; 0: any number.
        period: The period.
    """

    cooldown: timedelta
    most: int
    period: timedelta


@dataclass(frozen=True)
class Decision:
    """What is to be done.

    Attributes:
        outcome: The word.
        why: The reason, in one line.
        run: The run that was found; None for none.
    """

    outcome: str
    why: str
    run: StartedRun | None = None


def decide(cause: Cause, runs: Iterable[StartedRun], last_ok: datetime | None, limits: Limits, now: datetime) -> Decision:
    """Decides.

    Args:
        cause: Why a training is to be started.
        runs: The runs that have the pipeline's name in theirs, newest first.
        last_ok: The end of the last window whose verdict was `ok`; None where none is known.
        limits: How often trainings may be started.
        now: The time.
    """
    started = [run for run in runs if cause.is_of_family(run.name)]
    for run in started:
        if run.name == cause.name:
            return Decision(ALREADY, f"{run.name} was started at {_start_time(run)} and is {run.state}", run)
    for run in started:
        if run.state in _GOING:
            return Decision(RUNNING, f"{run.name} is {run.state}", run)
    for run in started:
        if run.name.startswith(cause.episode) and (last_ok is None or run.created >= last_ok):
            return Decision(SAME_EPISODE, f"{run.name} was started at {_start_time(run)}, and the verdict has not been ok since", run)
    for run in started:
        if now - run.created < limits.cooldown:
            return Decision(COOLING, f"{run.name} was started at {_start_time(run)}, less than {_hours(limits.cooldown)} ago", run)
    recent = [run for run in started if now - run.created < limits.period]
    if limits.most and len(recent) >= limits.most:
        return Decision(LIMIT, f"{len(recent)} trainings were started in the last {_hours(limits.period)}, and {limits.most} may be")
    return Decision(TRIGGERED, cause.reason.replace("_", " "))


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_DIGITS]


def _start_time(run: StartedRun) -> str:
    return run.created.isoformat(timespec="minutes")


def _hours(period: timedelta) -> str:
    return f"{period.total_seconds() / 3600:g} hours"

"""The interface of a backend for the commands."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ..errors import UserError
from ..spec.pipeline_file import PipelineFile

# States of a run. A task has one of these too, or `cached`, `skipped` (a condition kept it from running), `not run`, or `unknown`
# where its run has ended and the backend does not tell how it fared.
WAITING, RUNNING, DONE, FAILED, CANCELED = "waiting", "running", "done", "failed", "canceled"
CACHED, SKIPPED, NOT_RUN, UNKNOWN = "cached", "skipped", "not run", "unknown"
ENDED = {DONE, FAILED, CANCELED}


class BackendUnavailable(UserError):
    """The backend did not answer, or reported that it cannot answer now: the same request may succeed later."""


class NotYet(BackendUnavailable):
    """The backend has it, and gives it in a minute or two."""


class LogGone(UserError):
    """The log of a task no longer exists."""


@dataclass(frozen=True)
class Submission:
    """A run to be made, or what a schedule makes runs of.

    Attributes:
        pipeline: The compiled file, which is never changed.
        spec: Its PipelineSpec in JSON form, with the accelerators in the backend's words.
        platform: kfp's PlatformSpec in JSON form: what only Kubernetes knows. None for none.
        parameters: The pipeline's parameters, checked against its inputs; only those that were given.
        name: The run's name, as people see it.
        experiment: The experiment's name; empty for the backend's default.
        service_account: Whom its tasks run as; empty for the backend's default.
        pipeline_root: The URI below which artifacts lie; empty for the backend's default.
        caching: False: no task may be taken from the cache. None: as compiled.
        labels: The run's labels. Kubeflow Pipelines has no labels of runs: there they are the run's description.
        once: Whether the name is the run's alone: where there is a run with it, no other is made.
    """

    pipeline: PipelineFile
    spec: dict[str, Any]
    platform: dict[str, Any] | None
    parameters: dict[str, Any]
    name: str
    experiment: str = ""
    service_account: str = ""
    pipeline_root: str = ""
    caching: bool | None = None
    labels: dict[str, str] = field(default_factory=dict)
    once: bool = False


@dataclass(frozen=True)
class TaskState:
    """A task of a run, as the backend tells it.

    Attributes:
        key: Its name in the compiled file's DAG (`evaluate-model`); below the iteration in a loop (`for-loop-1/0/say`).
        state: Its state.
        started: When its container started.
        ended: When it ended.
        error: Why it failed, in the backend's words.
        closed: The condition that was not met, of a task that is skipped, where the backend tells which.
        outputs: Its output parameters and artifacts (`dsl.Artifact`, with metadata), as far as the backend tells; what it
            does not tell is in the task's log (see `penstock.local.task_log.TaskLog`).
    """

    key: str
    state: str
    started: datetime | None = None
    ended: datetime | None = None
    error: str = ""
    closed: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run, as the backend tells it.

    Attributes:
        id: What the commands take.
        name: What people see.
        state: Its state.
        url: Its page.
        error: Why it failed, in the backend's words.
        created: When it was made.
        ended: When it ended.
        tasks: Its tasks; empty in a list of runs.
    """

    id: str
    name: str
    state: str
    url: str
    error: str = ""
    created: datetime | None = None
    ended: datetime | None = None
    tasks: tuple[TaskState, ...] = ()


@dataclass(frozen=True)
class Upload:
    """A pipeline in the backend's list.

    Attributes:
        name: The pipeline's name.
        version: The version's name.
        url: Its page.
        is_new: False: these bytes were there already.
    """

    name: str
    version: str
    url: str
    is_new: bool


@dataclass(frozen=True)
class Timetable:
    """When a schedule makes runs.

    Attributes:
        name: The schedule's name.
        cron: Five fields: minute, hour, day of the month, month, day of the week.
        time_zone: An IANA time zone, such as `Europe/Berlin`.
        max_concurrency: The most runs that go on at the same time.
        catch_up: Whether runs that were missed, such as during a pause, are made up for.
        start: Before it no run is made.
        end: After it no run is made.
    """

    name: str
    cron: str
    time_zone: str = "UTC"
    max_concurrency: int = 1
    catch_up: bool = False
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class Schedule:
    """A schedule, as the backend tells it.

    Attributes:
        id: What the commands take.
        timetable: When it makes runs.
        state: `active`, `paused` or `ended`.
        url: Its page.
        next_run: When the next run is made, where the backend tells.
    """

    id: str
    timetable: Timetable
    state: str
    url: str
    next_run: datetime | None = None


class Target(Protocol):
    """A backend. Every verb raises `UserError` with one clear line, `BackendUnavailable` where asking again may help."""

    name: str

    def request(self, submission: Submission) -> dict[str, Any]:
        """Returns what `submit` would send, in JSON form; connects to nothing.

        Raises:
            UserError: The backend would refuse it, as far as that can be known without asking.
        """

    def submit(self, submission: Submission) -> Run:
        """Makes a run, or where `once` is set and a run has the name, returns that one."""

    def upload(self, submission: Submission) -> Upload:
        """Puts a pipeline, or a component, into the backend's list under `submission.name`: the same bytes are the same version."""

    def run(self, run_id: str) -> Run:
        """Returns a run with its tasks."""

    def source(self, run_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the PipelineSpec that a run was made of and its parameters, in JSON form; empty if unknown."""

    def runs(self, named: str = "") -> Iterator[Run]:
        """Yields the runs, newest first, page after page as they are asked for.

        Args:
            named: What the name has in it; empty: any.
        """

    def cancel(self, run_id: str) -> None:
        """Ends a run; one that has ended is left alone."""

    def logs(self, run_id: str, task: str) -> Iterator[str]:
        """Yields the lines that a task's container printed, by the task's key.

        Raises:
            NotYet: The log of a task that has just ended is not there yet.
            LogGone: Its log is gone.
            UserError: There is no such task, or it has printed nothing.
        """

    def create_schedule(self, submission: Submission, timetable: Timetable) -> Schedule:
        """Makes a schedule."""

    def schedules(self) -> Iterator[Schedule]:
        """Yields the schedules, newest first."""

    def pause_schedule(self, schedule_id: str) -> None:
        """Lets it make no more runs until it is resumed."""

    def resume_schedule(self, schedule_id: str) -> None:
        """Lets it make runs again."""

    def delete_schedule(self, schedule_id: str) -> None:
        """Deletes it; its runs stay."""

"""google.cloud.aiplatform.v1.ScheduleService: schedules of pipeline jobs. No clock runs here: a test says when a tick comes."""

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.cloud.aiplatform_v1 import types
from google.protobuf.empty_pb2 import Empty

from . import fields
from .errors import ApiError, invalid, not_found, precondition
from .lists import page
from .methods import Methods
from .operations import Operations
from .pipelines import PipelineService
from .state import State

Phase = types.Schedule.State
_CRON = re.compile(r"(?:(?:CRON_)?TZ=(\S+)\s+)?(\S+(?:\s+\S+){4})")
_UPDATABLE = (
    "display_name",
    "cron",
    "start_time",
    "end_time",
    "max_run_count",
    "max_concurrent_run_count",
    "max_concurrent_active_run_count",
    "allow_queueing",
    "create_pipeline_job_request",
)
_READERS = {
    "display_name": lambda schedule: schedule.display_name,
    "state": lambda schedule: schedule.state.name,
    "create_time": lambda schedule: schedule.create_time,
    "start_time": lambda schedule: schedule.start_time,
    "end_time": lambda schedule: schedule.end_time,
    "next_run_time": lambda schedule: schedule.next_run_time,
}
_ORDERS = ("display_name", "create_time", "start_time", "end_time", "next_run_time")


class ScheduleService:
    """The schedules."""

    def __init__(self, state: State, operations: Operations, pipelines: PipelineService) -> None:
        self._state = state
        self._operations = operations
        self._pipelines = pipelines
        self._schedules: dict[str, types.Schedule] = {}
        self._queued: dict[str, int] = {}
        self.methods: Methods = {
            "CreateSchedule": (self.create, types.CreateScheduleRequest),
            "GetSchedule": (self.get, types.GetScheduleRequest),
            "ListSchedules": (self.list, types.ListSchedulesRequest),
            "PauseSchedule": (self.pause, types.PauseScheduleRequest),
            "ResumeSchedule": (self.resume, types.ResumeScheduleRequest),
            "UpdateSchedule": (self.update, types.UpdateScheduleRequest),
            "DeleteSchedule": (self.delete, types.DeleteScheduleRequest),
        }

    def clear(self) -> None:
        """Forgets all schedules."""
        self._schedules.clear()
        self._queued.clear()

    def create(self, request: types.CreateScheduleRequest) -> types.Schedule:
        """Answers CreateSchedule."""
        self._state.names.check_parent(request.parent)
        schedule = types.Schedule(request.schedule)
        self._check(schedule)
        schedule.name = self._state.names.full("schedules", self._state.new_number())
        schedule.create_time = schedule.update_time = self._state.now()
        schedule.start_time = schedule.start_time or schedule.create_time
        schedule.state = Phase.ACTIVE
        self._schedules[schedule.name] = schedule
        return self._seen(schedule)

    def get(self, request: types.GetScheduleRequest) -> types.Schedule:
        """Answers GetSchedule."""
        return self._seen(self._find(request.name))

    def list(self, request: types.ListSchedulesRequest) -> types.ListSchedulesResponse:
        """Answers ListSchedules, the latest first."""
        self._state.names.check_parent(request.parent)
        schedules = sorted(map(self._seen, self._schedules.values()), key=lambda item: item.create_time, reverse=True)
        found, token = page(schedules, request, _READERS, wildcards=("display_name",), orders=_ORDERS)
        return types.ListSchedulesResponse(schedules=found, next_page_token=token)

    def pause(self, request: types.PauseScheduleRequest) -> Empty:
        """Answers PauseSchedule."""
        schedule = self._find(request.name)
        self._move(schedule, Phase.ACTIVE, Phase.PAUSED, "paused")
        schedule.last_pause_time = schedule.update_time
        return Empty()

    def resume(self, request: types.ResumeScheduleRequest) -> Empty:
        """Answers ResumeSchedule; a call of `fire` makes up for missed runs."""
        schedule = self._find(request.name)
        self._move(schedule, Phase.PAUSED, Phase.ACTIVE, "resumed")
        schedule.last_resume_time = schedule.update_time
        schedule.catch_up = request.catch_up
        return Empty()

    def update(self, request: types.UpdateScheduleRequest) -> types.Schedule:
        """Answers UpdateSchedule."""
        schedule = self._find(request.schedule.name, "schedule.name")
        paths = fields.check_mask(request.update_mask.paths, _UPDATABLE)
        changed = types.Schedule(schedule)
        for path in paths:
            setattr(changed, path, getattr(request.schedule, path))
        self._check(changed)
        changed.update_time = self._state.now()
        self._schedules[schedule.name] = changed
        return self._seen(changed)

    def delete(self, request: types.DeleteScheduleRequest) -> Any:
        """Answers DeleteSchedule; the jobs that it has made stay."""
        name = self._find(request.name).name

        def remove() -> Empty:
            with self._state.lock:
                self._schedules.pop(name, None)
                self._queued.pop(name, None)
            return Empty()

        return self._operations.begin("DeleteSchedule", request, name, types.DeleteOperationMetadata(), remove)

    def fire(self, name: str) -> Sequence[str]:
        """Does what `VertexDouble.fire` says."""
        schedule = self._find(name)
        if self._seen(schedule).state != Phase.ACTIVE:
            return []
        due = self._queued.get(schedule.name, 0) + 1
        limit = schedule.max_concurrent_active_run_count or schedule.max_concurrent_run_count
        begun = []
        while due and self._pipelines.active(schedule.name) < limit and self._seen(schedule).state == Phase.ACTIVE:
            due -= 1
            begun += self._begin(schedule)
        self._queued[schedule.name] = due if schedule.allow_queueing else 0
        return begun

    def _begin(self, schedule: types.Schedule) -> Sequence[str]:
        schedule.started_run_count += 1
        schedule.last_scheduled_run_response = {"scheduled_run_time": self._state.now(), "run_response": "OK"}
        try:
            return [self._pipelines.create(schedule.create_pipeline_job_request, schedule.name).name]
        except ApiError as error:
            schedule.last_scheduled_run_response.run_response = f"{error.code.name}: {error.message}"
            return []

    def _check(self, schedule: types.Schedule) -> None:
        fields.check_display_name(schedule.display_name, "schedule.display_name")
        _read_cron(schedule.cron)
        if "create_pipeline_job_request" not in schedule:
            raise invalid("schedule.create_pipeline_job_request", "Required field is not set.")
        self._state.names.check_parent(schedule.create_pipeline_job_request.parent, "schedule.create_pipeline_job_request.parent")
        self._pipelines.check(schedule.create_pipeline_job_request.pipeline_job)
        if schedule.max_concurrent_run_count < 1:
            raise invalid("schedule.max_concurrent_run_count", "Required field is not set; it must be greater than 0.")
        if schedule.start_time and schedule.end_time and schedule.end_time <= schedule.start_time:
            raise invalid("schedule.end_time", "must be later than start_time.")

    def _move(self, schedule: types.Schedule, before: Phase, after: Phase, done: str) -> None:
        state = self._seen(schedule).state
        if state != before:
            raise precondition(f'The Schedule "{schedule.name}" is in state {state.name} and cannot be {done}.')
        schedule.state = after
        schedule.update_time = self._state.now()

    def _find(self, name: str, field: str = "name") -> types.Schedule:
        key, _ = self._state.names.key(name, "schedules", field)
        known = self._state.names.full("schedules", key)
        if known not in self._schedules:
            raise not_found("Schedule", known)
        return self._schedules[known]

    def _seen(self, schedule: types.Schedule) -> types.Schedule:
        """Writes down what time has done to a schedule; returns what the service answers."""
        now = self._state.now()
        is_over = bool(schedule.end_time and schedule.end_time <= now)
        if is_over or (schedule.max_run_count and schedule.started_run_count >= schedule.max_run_count):
            schedule.state = Phase.COMPLETED
        is_active = schedule.state == Phase.ACTIVE
        schedule.next_run_time = _next(schedule.cron, max(now, schedule.start_time)) if is_active else None
        return types.Schedule(schedule)


def _read_cron(text: str) -> tuple[str, ZoneInfo]:
    """Reads a cron expression's five fields and its time zone."""
    from croniter import croniter  # only those who have schedules have it

    match = _CRON.fullmatch(text)
    if match is None or not croniter.is_valid(match[2]):
        raise invalid("schedule.cron", f"Invalid cron expression '{text}'.")
    try:
        return match[2], ZoneInfo(match[1] or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise invalid("schedule.cron", f"Invalid time zone '{match[1]}'.") from error


def _next(cron: str, after: datetime) -> datetime:
    from croniter import croniter

    expression, zone = _read_cron(cron)
    return croniter(expression, after.astimezone(zone)).get_next(datetime).astimezone(timezone.utc)

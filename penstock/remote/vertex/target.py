"""The commands on Vertex AI Pipelines."""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ...errors import UserError
from ..settings import VertexSettings
from ..target import ENDED, Run, Schedule, Submission, Timetable, Upload

if TYPE_CHECKING:
    from .api import PipelinesApi

_CONSOLE = "https://console.cloud.google.com/vertex-ai/locations/{location}/pipelines/{kind}/{id}?project={project}"
_REGISTRY = "https://cloud.google.com/vertex-ai/docs/pipelines/create-pipeline-template"
_NEWEST_FIRST = "create_time desc"
# What the service takes as a read mask is not all fields; these it does (`aiplatform.PipelineJob.list`).
_LISTED = {"paths": ["name", "display_name", "state", "create_time", "end_time"]}
_BY_PAGE = 50
_DELETION_SECONDS = 60.0
# How long a call is retried, as a multiple of the longest answer: a call that is repeated anyway, and one that must not be done twice.
_BRIEFLY, _ONCE = 0.2, 0.0


class VertexTarget:
    """Vertex AI Pipelines in one region of a project.

    Args:
        settings: Which, and how runs are made.

    Raises:
        UserError: There is no project or no region.
    """

    name = "vertex"

    def __init__(self, settings: VertexSettings) -> None:
        if not settings.project:
            raise UserError("no project is given: use --project, GOOGLE_CLOUD_PROJECT, or project in a context of penstock.toml")
        if not settings.location:
            raise UserError("no region is given: use --location, GOOGLE_CLOUD_LOCATION, or location in a context of penstock.toml")
        self._settings = settings

    def request(self, submission: Submission) -> dict[str, Any]:
        """Returns the request that makes the run, in JSON form."""
        from google.protobuf import json_format

        request = self._request(submission)
        return json_format.MessageToDict(type(request).pb(request))

    def submit(self, submission: Submission) -> Run:
        """Makes a run, and puts it into its experiment."""
        request = self._request(submission)
        with self._api.doing(f"submit {submission.pipeline.path.name}"):
            from .experiments import add_run, ensure_experiment

            context = ensure_experiment(self._api, submission.experiment) if submission.experiment else ""
            job = self._create(request)
        if context:
            try:
                add_run(self._api, context, job.name)
            except UserError as error:
                click.echo(f"warning: the run has started, but is not in experiment {submission.experiment}: {error.message}", err=True)
        return self._seen(job)

    def upload(self, submission: Submission) -> Upload:
        """Says that Vertex AI has no list of pipelines."""
        raise UserError(
            f"Vertex AI has no list of pipelines to upload {submission.pipeline.path.name} to: submit the file, or keep it in a repository "
            f"of Artifact Registry ({_REGISTRY})"
        )

    def run(self, run_id: str) -> Run:
        """Returns a run with its tasks."""
        return self._seen(self._job(run_id))

    def source(self, run_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns what a run was made of: its PipelineSpec, and its parameters."""
        from google.protobuf import json_format

        job = self._job(run_id)
        made = json_format.MessageToDict(type(job).pb(job))
        return made.get("pipelineSpec", {}), made.get("runtimeConfig", {}).get("parameterValues", {})

    def runs(self, named: str = "") -> Iterator[Run]:
        """Yields the runs, newest first, page after page as they are asked for."""
        request = {"parent": self._api.parent, "order_by": _NEWEST_FIRST, "read_mask": _LISTED, "page_size": _BY_PAGE}
        if named:
            request["filter"] = f'display_name:"*{named}*"'
        with self._api.doing("list the runs"):
            for job in self._api.call(self._api.jobs.list_pipeline_jobs, request, _BRIEFLY):
                yield self._seen(job)

    def cancel(self, run_id: str) -> None:
        """Ends a run; one that has ended is left alone."""
        from google.api_core.exceptions import BadRequest

        with self._api.doing(f"cancel the run {run_id}"):
            try:
                self._api.call(self._api.jobs.cancel_pipeline_job, {"name": self._name("pipelineJobs", run_id)})
            except BadRequest:
                if self.run(run_id).state not in ENDED:
                    raise

    def logs(self, run_id: str, task: str) -> Iterator[str]:
        """Yields the lines that a task's container printed, as Cloud Logging keeps them."""
        job = self._job(run_id)
        from .logs import read_log

        with self._api.doing(f"read the log of {task}"):
            yield from read_log(self._api, job, task)

    def create_schedule(self, submission: Submission, timetable: Timetable) -> Schedule:
        """Makes a schedule."""
        parent = self._api.parent
        from .job import make_job
        from .schedules import make_schedule

        if submission.experiment:
            click.echo(f"warning: Vertex AI does not add scheduled runs to an experiment; ignoring {submission.experiment}", err=True)
        schedule = make_schedule(timetable, make_job(submission, self._settings), parent)
        with self._api.doing(f"schedule {submission.pipeline.path.name}"):
            made = self._api.call(self._api.schedules.create_schedule, {"parent": parent, "schedule": schedule}, _ONCE)
        return self._seen_schedule(made)

    def schedules(self) -> Iterator[Schedule]:
        """Yields the schedules, newest first."""
        request = {"parent": self._api.parent, "order_by": _NEWEST_FIRST, "page_size": _BY_PAGE}
        with self._api.doing("list the schedules"):
            for schedule in self._api.call(self._api.schedules.list_schedules, request, _BRIEFLY):
                if "create_pipeline_job_request" in schedule:  # others run notebooks
                    yield self._seen_schedule(schedule)

    def pause_schedule(self, schedule_id: str) -> None:
        """Lets it make no more runs until it is resumed."""
        with self._api.doing(f"pause the schedule {schedule_id}"):
            self._api.call(self._api.schedules.pause_schedule, {"name": self._name("schedules", schedule_id)})

    def resume_schedule(self, schedule_id: str) -> None:
        """Lets it make runs again, and make up for those that it missed if it was made to."""
        name = self._name("schedules", schedule_id)
        with self._api.doing(f"resume the schedule {schedule_id}"):
            schedule = self._api.call(self._api.schedules.get_schedule, {"name": name})
            self._api.call(self._api.schedules.resume_schedule, {"name": name, "catch_up": schedule.allow_queueing})

    def delete_schedule(self, schedule_id: str) -> None:
        """Deletes it; its runs stay."""
        with self._api.doing(f"delete the schedule {schedule_id}"):
            deletion = self._api.call(self._api.schedules.delete_schedule, {"name": self._name("schedules", schedule_id)})
            deletion.result(timeout=_DELETION_SECONDS)

    @functools.cached_property
    def _api(self) -> "PipelinesApi":
        from penstock.components.protocol import TaskError

        try:
            from .api import PipelinesApi
        except ImportError as error:
            if not (error.name or "").startswith("google"):
                raise
            raise UserError("Vertex AI's client is not installed; run: pip install 'penstock[vertex]'") from error
        try:
            return PipelinesApi(self._settings)
        except TaskError as error:
            raise UserError(str(error)) from error

    def _request(self, submission: Submission) -> Any:
        parent = self._api.parent
        from .job import make_request

        return make_request(submission, self._settings, parent)

    def _create(self, request: Any) -> Any:
        """Makes the run; if that was done already, the answer to an earlier try was lost."""
        from google.api_core.exceptions import Conflict

        try:
            return self._api.call(self._api.jobs.create_pipeline_job, request)
        except Conflict:
            return self._job(request.pipeline_job_id)

    def _job(self, run_id: str) -> Any:
        with self._api.doing(f"read the run {run_id}"):
            return self._api.call(self._api.jobs.get_pipeline_job, {"name": self._name("pipelineJobs", run_id)}, _BRIEFLY)

    def _seen(self, job: Any) -> Run:
        from .observed import read_run

        return read_run(job, self._page("runs", job.name))

    def _seen_schedule(self, schedule: Any) -> Schedule:
        from .schedules import read_schedule

        return read_schedule(schedule, self._page("schedules", schedule.name))

    def _page(self, kind: str, name: str) -> str:
        place = {"location": self._settings.location, "project": self._settings.project}
        return _CONSOLE.format(kind=kind, id=name.rpartition("/")[2], **place)

    def _name(self, kind: str, given: str) -> str:
        """Returns a resource's name, of its ID or the whole name."""
        return f"{self._api.parent}/{kind}/{given.rpartition('/')[2]}"

"""google.cloud.aiplatform.v1.PipelineService: pipeline jobs, which run here through the machinery of `penstock run`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.cloud.aiplatform_v1 import types
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import status_pb2

from ..pipeline_runs import PipelineRun
from . import specs
from .buckets import Buckets
from .errors import already_exists, invalid_argument, not_found, precondition
from .inputs import Inputs
from .lists import page
from .metadata import MetadataService
from .methods import Methods
from .operations import Operations
from .state import State
from .task_details import TaskDetails

PipelineState = types.PipelineState
ENDED = {PipelineState.PIPELINE_STATE_SUCCEEDED, PipelineState.PIPELINE_STATE_FAILED, PipelineState.PIPELINE_STATE_CANCELLED}
_ENDS = {
    "done": PipelineState.PIPELINE_STATE_SUCCEEDED,
    "failed": PipelineState.PIPELINE_STATE_FAILED,
    "canceled": PipelineState.PIPELINE_STATE_CANCELLED,
}
_READERS = {
    "pipeline_name": lambda job: job.pipeline_spec["pipelineInfo"]["name"],
    "pipeline_job_user_id": lambda job: job.name.rpartition("/")[2],
    "display_name": lambda job: job.display_name,
    "state": lambda job: job.state.name,
    "schedule_name": lambda job: job.schedule_name,
    "template_uri": lambda job: job.template_uri,
    "create_time": lambda job: job.create_time,
    "update_time": lambda job: job.update_time,
    "end_time": lambda job: job.end_time,
}
_WILDCARDS = ("display_name", "pipeline_job_user_id", "template_uri")
_ORDERS = ("display_name", "create_time", "update_time", "end_time", "start_time")


@dataclass
class _Job:
    """A pipeline job.

    Attributes:
        message: What the service answers, as far as it was written down.
        spec: Its PipelineSpec in JSON form.
        run: What runs it.
        details: The details of its tasks.
        number: The number by which the service's errors call it.
    """

    message: types.PipelineJob
    spec: dict[str, Any]
    run: PipelineRun
    details: TaskDetails
    number: str


class PipelineService:
    """The pipeline jobs. Which failure policy a job has makes no difference here: its tasks run one after the other."""

    def __init__(self, state: State, operations: Operations, buckets: Buckets, metadata: MetadataService) -> None:
        self._state = state
        self._operations = operations
        self._buckets = buckets
        self._metadata = metadata
        self._jobs: dict[str, _Job] = {}
        self.methods: Methods = {
            "CreatePipelineJob": (self.create, types.CreatePipelineJobRequest),
            "GetPipelineJob": (self.get, types.GetPipelineJobRequest),
            "ListPipelineJobs": (self.list, types.ListPipelineJobsRequest),
            "CancelPipelineJob": (self.cancel, types.CancelPipelineJobRequest),
            "DeletePipelineJob": (self.delete, types.DeletePipelineJobRequest),
        }

    def clear(self) -> None:
        """Ends all jobs, and forgets them."""
        jobs, self._jobs = self._jobs, {}
        for job in jobs.values():
            job.run.cancel()
        for job in jobs.values():
            job.run.close()

    def create(self, request: types.CreatePipelineJobRequest, schedule_name: str = "") -> types.PipelineJob:
        """Answers CreatePipelineJob, and begins to run it."""
        self._state.names.check_parent(request.parent)
        spec = self.check(request.pipeline_job)
        name = spec["pipelineInfo"]["name"]
        key = request.pipeline_job_id or f"{name}-{self._state.new_number()}"
        specs.check_id(key)
        if key in self._jobs:
            raise already_exists("PipelineJob", self._state.names.full("pipelineJobs", key))
        job = self._begun(key, request.pipeline_job, spec)
        job.message.schedule_name = schedule_name
        job.message.job_detail = self._metadata.contexts_of_run(name, key)
        self._jobs[key] = job
        return self._view(job)

    def check(self, job: types.PipelineJob) -> dict[str, Any]:
        """Refuses a job that the service would not make; returns its spec in JSON form."""
        spec = specs.check_job(job, self._state.names)
        if self._buckets.path(job.runtime_config.gcs_output_directory) is None:
            account = job.service_account or f"{self._state.names.number}-compute@developer.gserviceaccount.com"
            bucket = job.runtime_config.gcs_output_directory.removeprefix("gs://").partition("/")[0]
            raise invalid_argument(
                f"Failed to create pipeline job. Error: Service account `{account}` does not have `[storage.objects.get, "
                f"storage.objects.create]` IAM permission(s) to the bucket `{bucket}`. Please either copy the files to the Google Cloud "
                "Storage bucket owned by your project, or grant the required IAM permission(s) to the service account."
            )
        return spec

    def get(self, request: types.GetPipelineJobRequest) -> types.PipelineJob:
        """Answers GetPipelineJob."""
        return self._view(self._find(request.name))

    def list(self, request: types.ListPipelineJobsRequest) -> types.ListPipelineJobsResponse:
        """Answers ListPipelineJobs, the latest first; without the details of tasks."""
        self._state.names.check_parent(request.parent)
        jobs = sorted((self._refreshed(job) for job in self._jobs.values()), key=lambda item: item.create_time, reverse=True)
        found, token = page(jobs, request, _READERS, wildcards=_WILDCARDS, orders=_ORDERS)
        mask = types.ListPipelineJobsRequest.pb(request).read_mask
        return types.ListPipelineJobsResponse(pipeline_jobs=[_masked(job, mask) for job in found], next_page_token=token)

    def cancel(self, request: types.CancelPipelineJobRequest) -> Empty:
        """Answers CancelPipelineJob."""
        job = self._find(request.name)
        state = self._refreshed(job).state
        if state in ENDED:
            raise precondition(f'The PipelineJob "{job.message.name}" is in state {state.name} and cannot be cancelled.')
        self._change(job, PipelineState.PIPELINE_STATE_CANCELLING)
        job.run.cancel()
        return Empty()

    def delete(self, request: types.DeletePipelineJobRequest) -> Any:
        """Answers DeletePipelineJob."""
        job = self._find(request.name)
        name, state = job.message.name, self._refreshed(job).state
        if state not in ENDED:
            raise precondition(f'The PipelineJob "{name}" is in state {state.name} and cannot be deleted; cancel it first.')

        def remove() -> Empty:
            with self._state.lock:
                self._jobs.pop(name.rpartition("/")[2], None)
            return Empty()

        return self._operations.begin("DeletePipelineJob", request, name, types.DeleteOperationMetadata(), remove)

    def active(self, schedule_name: str) -> int:
        """Returns how many of a schedule's jobs have not ended."""
        jobs = [job for job in self._jobs.values() if job.message.schedule_name == schedule_name]
        return sum(self._refreshed(job).state not in ENDED for job in jobs)

    def log(self, job_number: str) -> Path | None:
        """Returns what a task's custom job has printed; None if there is no such job."""
        with self._state.lock:
            found = (job.details.log(job_number, job.run.tasks) for job in self._jobs.values())
            return next((log for log in found if log), None)

    def _begun(self, key: str, given: types.PipelineJob, spec: dict[str, Any]) -> _Job:
        message = types.PipelineJob(given)
        message.name = self._state.names.full("pipelineJobs", key)
        message.display_name = given.display_name or key
        message.labels["vertex-ai-pipelines-run-billing-id"] = self._state.new_number()
        message.create_time = message.update_time = self._state.now()
        message.state = PipelineState.PIPELINE_STATE_PENDING
        folder = self._buckets.path(given.runtime_config.gcs_output_directory)
        assert folder
        parameters = specs.parameter_values(given.runtime_config)
        details = TaskDetails(self._state.names, self._state.new_number, self._buckets.uri, key)
        return _Job(message, spec, PipelineRun(folder, spec, parameters), details, self._state.new_number())

    def _find(self, name: str) -> _Job:
        key, _ = self._state.names.key(name, "pipelineJobs", "name")
        if key not in self._jobs:
            raise not_found("PipelineJob", self._state.names.full("pipelineJobs", key))
        return self._jobs[key]

    def _refreshed(self, job: _Job) -> types.PipelineJob:
        """Writes down what has become of a job since it was last looked at."""
        begun = any(task.state != "waiting" for task in job.run.tasks.values())
        if ended := _ENDS.get(job.run.state):
            self._change(job, ended)
            job.message.end_time = job.run.ended
            if ended == PipelineState.PIPELINE_STATE_FAILED:
                job.message.error = self._error(job)
        elif begun and job.message.state == PipelineState.PIPELINE_STATE_PENDING:
            self._change(job, PipelineState.PIPELINE_STATE_RUNNING)
        if begun and not job.message.start_time:
            job.message.start_time = job.run.created
        return job.message

    def _change(self, job: _Job, state: PipelineState) -> None:
        if job.message.state != state:
            job.message.state = state
            job.message.update_time = self._state.now()

    def _view(self, job: _Job) -> types.PipelineJob:
        """Returns what the service answers for a job, with the details of its tasks."""
        view = types.PipelineJob(self._refreshed(job))
        canceled = view.state in (PipelineState.PIPELINE_STATE_CANCELLING, PipelineState.PIPELINE_STATE_CANCELLED)
        tasks = job.run.tasks
        inputs = Inputs(job.spec, specs.parameter_values(view.runtime_config), tasks)
        view.job_detail.task_details = job.details.all(tasks, inputs, view, canceled=canceled)
        return view

    def _error(self, job: _Job) -> status_pb2.Status:
        failed = ", ".join(task.path[-1] for task in job.run.tasks.values() if task.state == "failed")
        why = f"The DAG failed because some tasks failed. The failed tasks are: [{failed}]." if failed else job.run.error
        text = (
            f"{why}; Job (project_id = {self._state.names.project}, job_id = {job.number}) is failed due to the above error.; "
            f"Failed to handle the job: {{project_number = {self._state.names.number}, job_id = {job.number}}}"
        )
        return status_pb2.Status(code=grpc.StatusCode.FAILED_PRECONDITION.value[0], message=text)


def _masked(job: types.PipelineJob, mask: FieldMask) -> types.PipelineJob:
    """Returns the fields that a caller wants to read, all by default."""
    if not mask.paths:
        return types.PipelineJob(job)
    view = types.PipelineJob()
    known = FieldMask(paths=[path for path in mask.paths if not path.startswith("pipeline_spec.")])
    known.MergeMessage(types.PipelineJob.pb(job), types.PipelineJob.pb(view))
    return view

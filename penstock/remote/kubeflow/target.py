"""The commands on Kubeflow Pipelines."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from ...errors import UserError
from ..settings import KubeflowSettings
from ..target import CANCELED, DONE, ENDED, FAILED, RUNNING, WAITING, Run, Schedule, Submission, Timetable, Upload
from . import package, schedule
from .connection import Connection, NotThere, message, named_like
from .logs import read_log
from .times import moment
from .workflow import Workflow, in_brief

_DEFAULT_EXPERIMENT = "Default"
_NEWEST_FIRST = "created_at desc"
_NEVER = datetime.max.replace(tzinfo=timezone.utc)
_STATES = {
    "SUCCEEDED": DONE,
    "SKIPPED": DONE,
    "FAILED": FAILED,
    "CANCELED": CANCELED,
    "RUNNING": RUNNING,
    "CANCELING": RUNNING,
    "PAUSED": RUNNING,
}
_WORKFLOW = "/apis/v1beta1/runs/{run_id}"


class KubeflowTarget:
    """Kubeflow Pipelines.

    Args:
        settings: Where it is, and who asks.
    """

    name = "kubeflow"

    def __init__(self, settings: KubeflowSettings) -> None:
        self._settings = settings
        self._connection = Connection(settings)
        self._specs: dict[str, dict[str, Any]] = {}

    def request(self, submission: Submission) -> dict[str, Any]:
        """Returns what `submit` would send: the run, and the version that it is a run of."""
        content = package.documents(submission)
        version = {"pipeline": submission.pipeline.name, "version": package.version_name(content)}
        documents = dict(zip(("pipeline_spec", "platform_spec"), content, strict=False))
        run = {"display_name": submission.name, "experiment": submission.experiment or _DEFAULT_EXPERIMENT}
        return {"run": run | _runtime(submission), "pipeline_version": version | documents}

    def submit(self, submission: Submission) -> Run:
        """Uploads the pipeline, unless the same is there, and makes a run of it."""
        from kfp_server_api import V2beta1Run

        if submission.once and (there := self._first(submission.name)):
            return there
        body = V2beta1Run(display_name=submission.name, description=_description(submission), **self._made_of(submission))
        run = self._run(self._connection.call(self._client.runs.run_service_create_run, body))
        return self._only(run) if submission.once else run

    def upload(self, submission: Submission) -> Upload:
        """Puts a pipeline into the list."""
        version, is_new = package.put(self._connection, submission.name, package.documents(submission))
        place = f"pipelines/details/{version.pipeline_id}/version/{version.pipeline_version_id}"
        return Upload(submission.name, version.display_name, self._connection.page(place), is_new)

    def run(self, run_id: str) -> Run:
        """Returns a run with its tasks."""
        run = self._get_run(run_id)
        return self._run(run, self._workflow(run))

    def source(self, run_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the PipelineSpec of a run's version, and the run's parameters."""
        run = self._get_run(run_id)
        return self._spec(run), (run.runtime_config and run.runtime_config.parameters) or {}

    def runs(self, named: str = "") -> Iterator[Run]:
        """Yields the runs, newest first."""
        listing = self._client.runs.run_service_list_runs
        criteria = {"filter": named_like(named)} if named else {}
        for run in self._connection.pages(listing, "runs", sort_by=_NEWEST_FIRST, namespace=self._connection.namespace, **criteria):
            yield self._run(run)

    def cancel(self, run_id: str) -> None:
        """Terminates a run that goes on."""
        if _state(self._get_run(run_id)) not in ENDED:
            try:
                self._connection.call(self._client.runs.run_service_terminate_run, run_id)
            except UserError:
                if _state(self._get_run(run_id)) not in ENDED:
                    raise

    def logs(self, run_id: str, task: str) -> Iterator[str]:
        """Yields the lines of a task's container."""
        run = self._get_run(run_id)
        workflow = self._workflow(run)
        pod = workflow.pod(task)
        if pod is None:
            raise UserError(f"run {run_id} has no task {task}: penstock runs show {run_id} lists them")
        if not workflow.names_pods:
            raise UserError(f"the log of task {task} of run {run_id} is not available: the installation no longer has the run's workflow")
        if not pod.name:
            raise UserError(f"task {task} of run {run_id} has no log: no container was started for it")
        yield from read_log(self._connection, run, pod)

    def create_schedule(self, submission: Submission, timetable: Timetable) -> Schedule:
        """Makes a recurring run of the uploaded pipeline."""
        from kfp_server_api import V2beta1RecurringRun

        schedule.check(timetable, self._settings.schedule_time_zone)
        body = V2beta1RecurringRun(
            display_name=timetable.name,
            mode="ENABLE",
            trigger=schedule.trigger(timetable),
            max_concurrency=str(timetable.max_concurrency),
            no_catchup=not timetable.catch_up,
            **self._made_of(submission),
        )
        return self._schedule(self._connection.call(self._client.recurring_runs.recurring_run_service_create_recurring_run, body))

    def schedules(self) -> Iterator[Schedule]:
        """Yields the recurring runs, newest first."""
        listing = self._client.recurring_runs.recurring_run_service_list_recurring_runs
        pages = self._connection.pages(listing, "recurring_runs", sort_by=_NEWEST_FIRST, namespace=self._connection.namespace)
        return map(self._schedule, pages)

    def pause_schedule(self, schedule_id: str) -> None:
        """Disables a recurring run."""
        self._connection.call(self._client.recurring_runs.recurring_run_service_disable_recurring_run, schedule_id)

    def resume_schedule(self, schedule_id: str) -> None:
        """Enables a recurring run."""
        self._connection.call(self._client.recurring_runs.recurring_run_service_enable_recurring_run, schedule_id)

    def delete_schedule(self, schedule_id: str) -> None:
        """Deletes a recurring run."""
        self._connection.call(self._client.recurring_runs.recurring_run_service_delete_recurring_run, schedule_id)

    @property
    def _client(self) -> Any:
        return self._connection.client

    def _made_of(self, submission: Submission) -> dict[str, Any]:
        """Returns the fields that runs and recurring runs share; uploads the pipeline and makes the experiment, where they are not there."""
        from kfp_server_api import V2beta1PipelineVersionReference, V2beta1RuntimeConfig

        version, _ = package.put(self._connection, submission.pipeline.name, package.documents(submission))
        fields = _runtime(submission)
        return fields | {
            "experiment_id": self._experiment(submission.experiment or _DEFAULT_EXPERIMENT),
            "pipeline_version_reference": V2beta1PipelineVersionReference(version.pipeline_id, version.pipeline_version_id),
            "runtime_config": V2beta1RuntimeConfig(**fields["runtime_config"]),
        }

    def _experiment(self, name: str) -> str:
        """Returns the id of the experiment that has a name; creates it if it does not exist."""
        from kfp_server_api import V2beta1Experiment

        namespace = self._connection.namespace
        experiment, _ = package.unless_there(
            lambda: self._connection.named(
                self._client.experiments.experiment_service_list_experiments, "experiments", name, namespace=namespace
            ),
            lambda: self._connection.call(
                self._client.experiments.experiment_service_create_experiment,
                V2beta1Experiment(display_name=name, namespace=namespace or None),
            ),
        )
        return experiment.experiment_id

    def _first(self, name: str) -> Run | None:
        """Returns the first run that was made with a name; of those of one second, every caller gets the same."""
        found = [run for run in self.runs(name) if run.name == name]
        return min(found, key=lambda run: (run.created or _NEVER, run.id), default=None)

    def _only(self, run: Run) -> Run:
        """Returns the run that counts for a name. Kubeflow Pipelines accepts a name twice, and another process may have used it meanwhile."""
        first = self._first(run.name) or run
        if first.id != run.id:
            self.cancel(run.id)
        return first

    def _get_run(self, run_id: str) -> Any:
        return self._connection.call(self._client.runs.run_service_get_run, run_id)

    def _run(self, run: Any, workflow: Workflow | None = None) -> Run:
        return Run(
            id=run.run_id,
            name=run.display_name or "",
            state=CANCELED if workflow and workflow.is_terminated and _state(run) == FAILED else _state(run),
            url=self._connection.page(f"runs/details/{run.run_id}"),
            error=message(run.error.message or "") if run.error else workflow.error if workflow else "",
            created=run.created_at,
            ended=moment(run.finished_at),
            tasks=tuple(workflow.tasks()) if workflow else (),
        )

    def _workflow(self, run: Any) -> Workflow:
        manifest = self._connection.get_json(_WORKFLOW, {"run_id": run.run_id}).get("pipeline_runtime", {}).get("workflow_manifest")
        spec = self._spec(run)
        return Workflow(json.loads(manifest), spec, terminated=_terminated(run)) if manifest else in_brief(run, spec)

    def _spec(self, run: Any) -> dict[str, Any]:
        """Returns the PipelineSpec of a run."""
        if run.run_id not in self._specs:
            reference = run.pipeline_version_reference
            document = run.pipeline_spec or (self._version(reference) if reference else {})
            self._specs[run.run_id] = document.get("pipeline_spec", document)
        return self._specs[run.run_id]

    def _version(self, reference: Any) -> dict[str, Any]:
        """Returns the documents of a version; nothing if it has been deleted since."""
        get = self._client.pipelines.pipeline_service_get_pipeline_version
        try:
            return self._connection.call(get, reference.pipeline_id, reference.pipeline_version_id).pipeline_spec
        except NotThere:
            return {}

    def _schedule(self, recurring_run: Any) -> Schedule:
        timetable = schedule.timetable(recurring_run, self._settings.schedule_time_zone)
        page = self._connection.page(f"recurringrun/details/{recurring_run.recurring_run_id}")
        return Schedule(recurring_run.recurring_run_id, timetable, schedule.state(recurring_run, timetable), page)


def _description(submission: Submission) -> str:
    return ", ".join(f"{name}={value}" for name, value in submission.labels.items())


def _runtime(submission: Submission) -> dict[str, Any]:
    """Returns the fields of a run that are the person's own, without those that are left to the server."""
    config = {"parameters": submission.parameters, "pipeline_root": submission.pipeline_root}
    fields = {"runtime_config": {name: value for name, value in config.items() if value}, "service_account": submission.service_account}
    return {name: value for name, value in fields.items() if value or name == "runtime_config"}


def _state(run: Any) -> str:
    """Returns a run's state. A terminated run ends as a failed one; that it was being canceled is in its history."""
    state = _STATES.get(run.state, WAITING)
    return CANCELED if state == FAILED and _terminated(run) else state


def _terminated(run: Any) -> datetime | None:
    """Returns when the end of a run was requested, unless it was retried after that."""
    going = [status for status in run.state_history or () if _STATES.get(status.state) not in ENDED]
    return moment(going[-1].update_time) if going and going[-1].state == "CANCELING" else None

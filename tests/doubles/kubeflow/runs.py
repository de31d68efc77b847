"""Runs: each is run by the engine for real."""

import copy
import json
import secrets
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kfp_server_api

from ..kubernetes.answer import Answer
from ..pipeline_runs import PipelineRun
from . import archive, forms
from .access import Access
from .errors import KfpError, bad_request, internal, invalid, not_found, wrapping
from .experiments import Experiments
from .lists import page
from .nodes import find_pod, manifest
from .passing import expanded_by_argo, stops_reports
from .pipelines import Pipelines
from .records import Experiment, Records, Run, Source, now
from .routing import Call, Route
from .template import check_compiles, check_parameters, check_size, from_document

_FIELDS = {"run_id", "id", "display_name", "name", "created_at", "finished_at", "description", "scheduled_at", "storage_state", "status"}
_FIELDS |= {"namespace", "experiment_id", "state", "recurring_run_id"}
_DEFAULT_ACCOUNT = "pipeline-runner"
_MULTI_USER_ACCOUNT = "default-editor"
_LETTERS = string.ascii_lowercase + string.digits


class Runs:
    """Answers calls about runs.

    Args:
        folder: Where the engine works.
        default_retries: Whether every template has a retry strategy.
        archives_logs: Whether Argo archives logs.
    """

    def __init__(
        self,
        records: Records,
        access: Access,
        experiments: Experiments,
        pipelines: Pipelines,
        folder: Path,
        default_retries: bool,
        archives_logs: bool,
    ) -> None:
        self._default_retries = default_retries
        self._archives_logs = archives_logs
        self._records = records
        self._access = access
        self._experiments = experiments
        self._pipelines = pipelines
        self._folder = folder
        self._engines: list[PipelineRun] = []

    def routes(self) -> Iterator[Route]:
        """Yields what answers which call."""
        yield Route("POST", "/runs", self._create)
        yield Route("GET", "/runs", self._list)
        yield Route("GET", "/runs/{run_id}", self._get)
        yield Route("DELETE", "/runs/{run_id}", self._delete)
        yield Route("POST", "/runs/{run_id}:terminate", self._terminate)
        yield Route("POST", "/runs/{run_id}:retry", self._retry)
        yield Route("POST", "/runs/{run_id}:archive", lambda call: self._archive(call, True))
        yield Route("POST", "/runs/{run_id}:unarchive", lambda call: self._archive(call, False))
        yield Route("GET", "/runs/{run_id}", self._get_v1, "/apis/v1beta1")
        yield Route("GET", "/runs/{run_id}/nodes/{node_id}/log", self._log, "/apis/v1alpha1")
        yield Route("GET", "/runs/{run_id}/nodes/{node_id}/artifacts/main-logs:read", self._artifact)

    def source(self, body: dict[str, Any]) -> Source:
        """Reads what a run is to be made of.

        Raises:
            KfpError: There is no such thing, or it is refused.
        """
        reference, config = body.get("pipeline_version_reference") or {}, body.get("runtime_config") or {}
        version = None
        if version_id := reference.get("pipeline_version_id", ""):
            version = self._pipelines.find_version(version_id)
        elif pipeline_id := reference.get("pipeline_id", ""):
            version = self._pipelines.latest(self._pipelines.find(pipeline_id))
        elif not body.get("pipeline_spec"):
            raise invalid("Failed to fetch a template with an empty pipeline spec manifest")
        template = version.template if version else from_document(body["pipeline_spec"])
        return Source(template, version, config.get("parameters") or {}, config.get("pipeline_root", ""))

    def start(
        self, name: str, experiment: Experiment, source: Source, account: str, *, description: str = "", recurring_id: str = ""
    ) -> Run:
        """Starts a run, and keeps it.

        Raises:
            KfpError: Its parameters are refused, or it cannot be compiled.
        """
        check_parameters(source.template, source.parameters)
        check_compiles(source.template)
        check_size(source.template)
        workflow = f"{source.template.name}-{''.join(secrets.choice(_LETTERS) for _ in range(5))}"
        account = account or (_MULTI_USER_ACCOUNT if self._access.is_multi_user else _DEFAULT_ACCOUNT)
        engine = self._engine(source, workflow)
        run = Run(name, experiment, source, account, description, recurring_id, workflow, engine)
        # Its name is an annotation of the workflow (pipelines.kubeflow.org/run_name; seen).
        engine.is_stopped |= stops_reports(name)
        run.has_default_retries = self._default_retries
        run.reported.append(("PENDING", run.created))
        experiment.last_run = now()
        self._records.runs[run.id] = run
        return run

    def log(self, pod: str, namespace: str) -> bytes | None:
        """Returns what a pod of a namespace has printed; None where there is no such pod."""
        for run in self._records.runs.values():
            node = find_pod(run, pod) if run.experiment.namespace == namespace and not run.is_collected else None
            if node and node.task and node.task.log:
                return node.task.log.read_bytes()
        return None

    def is_collected(self, pod: str) -> bool:
        """Tells whether it was a pod of a run whose workflow is deleted."""
        return any(run.is_collected and find_pod(run, pod) for run in self._records.runs.values())

    def close(self) -> None:
        """Ends every run, those that have been deleted too."""
        for engine in self._engines:
            engine.cancel()
        for engine in self._engines:
            engine.close()

    def _engine(self, source: Source, workflow: str) -> PipelineRun:
        """Starts what runs it. Of a task that fails the launcher uploads the log and nothing else (v2/component/launcher_v2.go)."""
        parameters = json.loads(expanded_by_argo(json.dumps(source.parameters, ensure_ascii=False), workflow))
        spec = _without_retries(source.template.spec) if self._default_retries else source.template.spec
        engine = PipelineRun(self._folder, spec, parameters, uploads_failed=False, workflow=workflow)
        engine.is_stopped = stops_reports(json.dumps([source.template.document, parameters], ensure_ascii=False))
        self._engines.append(engine)
        return engine

    @wrapping("Failed to create a new run")
    def _create(self, call: Call) -> dict[str, Any]:
        body = call.body(kfp_server_api.V2beta1Run)
        name = body.get("display_name", "")
        if not name:
            cause = "Invalid input error: Run name cannot be empty"
            raise internal(cause, "Failed to convert a API run detail to its internal representation")
        experiment = self._experiments.of_run(body.get("experiment_id", ""))
        self._may_create(call, experiment.namespace)
        source = self._fetched(body)
        run = self.start(name, experiment, source, body.get("service_account", ""), description=body.get("description", ""))
        return forms.run(run)

    def _may_create(self, call: Call, namespace: str) -> None:
        context = f"Failed to create a run due to authorization error. Check if you have write permissions to namespace {namespace}"
        wrapping(context)(self._check)(call, namespace, "create")

    def _fetched(self, body: dict[str, Any]) -> Source:
        """Reads the source of a run; whatever is wrong with it, the server calls an error of its own."""
        try:
            return self.source(body)
        except KfpError as error:
            raise internal(error.message, "Failed to create a run due to error fetching manifest") from error

    @wrapping("Failed to list runs")
    def _list(self, call: Call) -> dict[str, Any]:
        namespace, listed = self._experiments.asked_for(call)
        self._check(call, namespace, "list")
        rows = [forms.run(run) for run in self._records.runs.values() if listed(run.experiment)]
        found, total, token = page(rows, call.query, _FIELDS, "run_id", "Run")
        return {"runs": found, "total_size": total, "next_page_token": token}

    @wrapping("Failed to get a run")
    def _get(self, call: Call) -> dict[str, Any]:
        return forms.run(self._allowed(call, "get"))

    @wrapping("Failed to get a v1beta1 run")
    def _get_v1(self, call: Call) -> dict[str, Any]:
        """Answers with the only one of the v1 API's fields that v2 does not have: the workflow, as text."""
        return {"pipeline_runtime": {"workflow_manifest": json.dumps(manifest(self._allowed(call, "get")))}}

    @wrapping("Failed to delete a run")
    def _delete(self, call: Call) -> dict[str, Any]:
        run = self._allowed(call, "delete")
        run.engine.cancel()
        del self._records.runs[run.id]
        return {}

    @wrapping("Failed to terminate a run")
    def _terminate(self, call: Call) -> dict[str, Any]:
        run = self._allowed(call, "terminate")
        if run.has_ended or run.is_terminating:
            raise invalid(f"Failed to terminate a run {run.id}. Row not found").wrapped(f"Failed to terminate run {run.id}")
        run.report()
        run.is_terminating = True
        run.engine.cancel()
        return {}

    @wrapping("Failed to retry a run")
    def _retry(self, call: Call) -> dict[str, Any]:
        run = self._allowed(call, "retry")
        if run.state != "FAILED":
            cause = f"Bad Workflow: Workflow must be Failed/Error to retry: {run.workflow}"
            raise internal(cause, f"Failed to retry run {run.id} as it does not allow retries")
        run.is_terminating = False
        run.engine = self._engine(run.source, run.workflow)
        return {}

    @wrapping("Failed to archive a run")
    def _archive(self, call: Call, is_archived: bool) -> dict[str, Any]:
        self._allowed(call, "archive" if is_archived else "unarchive").is_archived = is_archived
        return {}

    def _log(self, call: Call) -> Answer:
        """Answers with what a pod printed. Errors come below a status of 200, which has been sent by then."""
        run_id, pod = call.names["run_id"], call.names["node_id"]
        run = self._records.runs.get(run_id)
        if not run:
            cause, what = not_found("Run", run_id).message, f"Failed to read logs for run {run_id} due to run fetching error"
            text = bad_request(cause, what).message
            return Answer(200, {"error_message": text, "error_details": text}, "text/plain; charset=utf-8")
        node = find_pod(run, pod)
        log = node.task.log if node and node.task else None
        if not log:
            return archive.no_log(f'{pod}: pods "{pod}" not found', run_id)
        if run.is_collected:
            return archive.log(self._archived(log), pod, run_id)
        return Answer(200, log.read_bytes() if log.exists() else b"", "text/plain; charset=utf-8")

    def _artifact(self, call: Call) -> Answer:
        """Answers about the archived log of a node, by the node's id or the pod's name (`FindObjectStoreArtifactKeyOrEmpty`)."""
        node = find_pod(self._allowed(call, "readArtifact"), call.names["node_id"])
        return archive.artifact(self._archived(node.task.log if node and node.task else None))

    def _archived(self, log: Path | None) -> bytes | None:
        return log.read_bytes() if self._archives_logs and log and log.exists() else None

    def _allowed(self, call: Call, verb: str) -> Run:
        run = self._records.runs.get(call.names["run_id"])
        if not run:
            raise not_found("Run", call.names["run_id"])
        self._check(call, run.experiment.namespace, verb, run)
        return run

    def _check(self, call: Call, namespace: str, verb: str, run: Run | None = None) -> None:
        context = f"Failed to access run {run.id if run else ''}. Check if you have access to namespace {namespace}"
        wrapping(context)(self._access.check)(call.user, namespace, verb, "runs", run.workflow if run else "")


def _without_retries(spec: dict[str, Any]) -> dict[str, Any]:
    """Returns a pipeline whose failed tasks are not tried again, whatever they ask for.

    The installation's default retry strategy has the policy OnError, which is merged into a task's own; a container that fails is no error
    to Argo (seen: recordings set-retry and set-retry-2; compiler/argocompiler/container.go:667, argo-workflows workflow/controller/operator.go).
    """
    spec = copy.deepcopy(spec)
    for component in [spec["root"], *spec.get("components", {}).values()]:
        for task in component.get("dag", {}).get("tasks", {}).values():
            task.pop("retryPolicy", None)
    return spec

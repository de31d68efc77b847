"""A runner of `penstock run` that hands a task its inputs, and takes its outputs, as Kubeflow's driver and launcher do."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from penstock.local import tasks
from penstock.local.env_runner import EnvRunner
from penstock.local.processes import Processes
from penstock.local.runner import Job

from . import passing

_VARIABLES = {"KFP_POD_NAME": "pod-0", "KFP_POD_UID": "0", "NAMESPACE": "kubeflow"}
_FLAG = "--executor_input"


class Launcher(EnvRunner):
    """Runs tasks in this machine's environments, with Kubeflow's hands.

    Args:
        spec: The PipelineSpec in JSON form; each task has a component of its own, named by the task's path.
        workflow: The Argo workflow's name.
        on_stop: Called when something was to be reported that the API server cannot store.
    """

    def __init__(self, spec: dict[str, Any], workflow: str, on_stop: Callable[[], None]) -> None:
        super().__init__()
        self._workflow = workflow
        self._on_stop = on_stop
        self._components = spec["components"]
        self._constants = dict(_constants(spec))

    def run(self, job: Job, processes: Processes, log: Path, on_line: Callable[[str], None]) -> int:
        """Runs a task's process, between the driver and the launcher's end."""
        component = f"comp-{tasks.current().name.rpartition('/')[2]}"
        text = self._argument(job.executor_input, self._constants.get(component, {}))
        if passing.stops_reports(text):
            self._on_stop()
        if len(text.encode()) > passing.LONGEST_ARGUMENT:
            return _fail(log, "exec /var/run/argo/argoexec: argument list too long")
        if passing.in_template(text) > passing.LONGEST_ARGUMENT:
            return _fail(log, 'configmaps is forbidden: User "system:serviceaccount:kubeflow:argo" cannot create resource "configmaps"')
        place = job.command.index(_FLAG) + 1
        command = [*job.command[:place], text, *job.command[place + 1 :]]
        code = super().run(Job(job.component, job.image, command, job.variables, job.executor_input), processes, log, on_line)
        if code:
            return code
        try:
            self._take(job.executor_input["outputs"], self._components.get(component, {}))
        except passing.Refused as refusal:
            return _fail(log, f"failed to execute component: {refusal}")
        return 0

    def _argument(self, executor_input: dict[str, Any], constants: dict[str, Any]) -> str:
        """Returns the executor input as the container gets it."""
        inputs = executor_input.get("inputs") or {}
        values = {name: passing.as_protobuf(value) for name, value in (inputs.get("parameterValues") or {}).items() if value is not None}
        given = {
            name: {"artifacts": [passing.as_input(artifact, number) for artifact in entry["artifacts"]]}
            for number, (name, entry) in enumerate((inputs.get("artifacts") or {}).items(), 1)
        }
        whole = executor_input | {"inputs": inputs | {"parameterValues": values | constants, "artifacts": given}}
        text = passing.expanded_by_argo(json.dumps(whole, ensure_ascii=False), self._workflow)
        return passing.filled_in(passing.expanded_by_kubernetes(text, _VARIABLES), values)

    def _take(self, outputs: dict[str, Any], component: dict[str, Any]) -> None:
        """Writes down for kfp.local what consumers get of the outputs."""
        file = Path(outputs["outputFile"])
        content = json.loads(file.read_text()) if file.exists() else {}
        kinds = component.get("outputDefinitions", {}).get("parameters", {})
        given = content.get("parameterValues") or {}
        for name, each in (outputs.get("parameters") or {}).items():
            kind = kinds.get(name, {}).get("parameterType", "STRING")
            given[name] = passing.output_parameter(name, kind, given, Path(each["outputFile"]))
        for entry in (content.get("artifacts") or {}).values():
            for artifact in entry["artifacts"]:
                passing.kept(Path(artifact["uri"]))
                artifact["metadata"] = passing.recorded(artifact.get("metadata") or {})
        text = json.dumps(content | {"parameterValues": given}, ensure_ascii=False)
        if passing.stops_reports(text):
            self._on_stop()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _constants(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the constants with placeholders of each task, which the launcher fills in within the executor input's text."""
    for component in [spec["root"], *spec["components"].values()]:
        for task in component.get("dag", {}).get("tasks", {}).values():
            given = task.get("inputs", {}).get("parameters", {})
            constants = {name: each.get("runtimeValue", {}).get("constant") for name, each in given.items()}
            yield task["componentRef"]["name"], {name: text for name, text in constants.items() if isinstance(text, str) and "{{$." in text}


def _fail(log: Path, message: str) -> int:
    with log.open("a") as stream:
        stream.write(f"{message}\n")
    return 1

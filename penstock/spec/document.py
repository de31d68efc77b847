"""A compiled file for the rules: checked against KFP's format, normalized, and navigable."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ..errors import WrongUsage
from ..kfp_adapter.lazy_import import import_kfp
from .yaml_text import load_documents

Spec = dict[str, Any]


class UnreadableError(WrongUsage):
    """The text is not a compiled pipeline."""


@dataclass(frozen=True)
class DagTask:
    """A task of a DAG.

    Attributes:
        place: Its path in the document.
        parent: The component in whose DAG it is; `root` for the pipeline itself.
        component_name: The component that it runs.
        component: That component.
        spec: The task itself.
    """

    place: str
    parent: str
    component_name: str
    component: Spec
    spec: Spec

    @property
    def parameters(self) -> dict[str, Spec]:
        """What its input parameters are bound to."""
        return self.spec.get("inputs", {}).get("parameters", {})

    @property
    def producers(self) -> set[str]:
        """The tasks whose outputs it is given."""
        given = [*self.parameters.values(), *self.spec.get("inputs", {}).get("artifacts", {}).values()]
        outputs = (each.get("taskOutputParameter") or each.get("taskOutputArtifact") or {} for each in given)
        return {output["producerTask"] for output in outputs if "producerTask" in output}

    @property
    def is_group(self) -> bool:
        """Whether it is a pipeline, a condition or a loop, not a container."""
        return "dag" in self.component


class Document:
    """A compiled pipeline or component.

    Args:
        documents: The file's documents in JSON form; a platform document may follow the pipeline.
        parameters: Values of the pipeline's parameters, which take the place of their defaults.

    Attributes:
        size: How many documents there are.
        spec: The PipelineSpec in JSON form, field names as in the proto's JSON form, with `deploymentSpec` as PipelineDeploymentConfig.
        platform: The PlatformSpec; empty without one.
        unknown: What KFP's format does not know; empty where it knows all.
        root: The pipeline's own DAG as JSON, with the defaults that it has in the text.
        given: The values of the pipeline's parameters, as far as they were given.

    Raises:
        UnreadableError: It is not a compiled pipeline.
    """

    def __init__(self, documents: list[Any], parameters: Mapping[str, Any]) -> None:
        self.size = len(documents)
        raw = _pipeline(documents)
        self.platform: Spec = next((other for other in documents if isinstance(other, dict) and "platforms" in other), {})
        self.spec, self.unknown = _parsed(raw)
        self.root = as_json(self.spec["root"])
        definitions = parameters_of(self.spec["root"])
        self.given = {name: parameters[name] for name in definitions.keys() & parameters.keys()}
        for name in definitions.keys() & parameters.keys():
            definitions[name]["defaultValue"] = parameters[name]

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.spec.get("pipelineInfo", {}).get("name", "")

    @property
    def components(self) -> dict[str, Spec]:
        """The components by name, `root` among them."""
        return {"root": self.spec.get("root", {}), **self.spec.get("components", {})}

    def tasks(self) -> Iterator[DagTask]:
        """Yields every task of every DAG."""
        for parent, component in self.components.items():
            for name, spec in component.get("dag", {}).get("tasks", {}).items():
                target = spec.get("componentRef", {}).get("name", "")
                yield DagTask(f"{place_of(parent)}.dag.tasks.{name}", parent, target, self.components.get(target, {}), spec)

    def executors(self, kind: str) -> Iterator[tuple[str, str, Spec]]:
        """Yields the place, the label and the specification of the executors of a kind, such as `container` or `importer`."""
        for label, executor in self.spec.get("deploymentSpec", {}).get("executors", {}).items():
            if kind in executor:
                yield f"deploymentSpec.executors.{label}.{kind}", label, executor[kind]

    def command_of(self, task: DagTask) -> list[str]:
        """Returns the command line of a task's container; empty for any other task."""
        executor = self.spec.get("deploymentSpec", {}).get("executors", {}).get(task.component.get("executorLabel", ""), {})
        container = executor.get("container", {})
        return [*container.get("command", []), *container.get("args", [])]

    def arguments(self) -> Iterator[tuple[str, str]]:
        """Yields the place and the text of every part of every container's command line."""
        for place, _, container in self.executors("container"):
            for part in ("command", "args"):
                yield from strings(container.get(part, []), f"{place}.{part}")

    def variables(self) -> Iterator[tuple[str, str]]:
        """Yields the place and the value of every container's environment variables."""
        for place, _, container in self.executors("container"):
            for index, variable in enumerate(container.get("env", [])):
                yield f"{place}.env[{index}]", variable.get("value", "")

    def constants(self) -> Iterator[tuple[str, Any]]:
        """Yields the place and the value of every constant that a task is given."""
        for task in self.tasks():
            for name, given in task.parameters.items():
                if "constant" in given.get("runtimeValue", {}):
                    yield f"{task.place}.inputs.parameters.{name}.runtimeValue.constant", given["runtimeValue"]["constant"]

    def defaults(self) -> Iterator[tuple[str, Any]]:
        """Yields the place and the value of every default."""
        for name, component in self.components.items():
            for parameter, spec in parameters_of(component).items():
                if "defaultValue" in spec:
                    yield f"{place_of(name)}.inputDefinitions.parameters.{parameter}.defaultValue", spec["defaultValue"]

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yields every text that reaches a container: command lines, environment variables, constants, defaults, loops' items."""
        yield from self.arguments()
        yield from self.variables()
        for place, value in [*self.constants(), *self.defaults()]:
            yield from strings(value, place)
        for task in self.tasks():
            raw = task.spec.get("parameterIterator", {}).get("items", {}).get("raw")
            if raw:
                yield f"{task.place}.parameterIterator.items.raw", raw

    def artifacts(self) -> Iterator[tuple[str, Spec]]:
        """Yields the place and the definition of every input and output artifact."""
        for name, component in self.components.items():
            for side in ("inputDefinitions", "outputDefinitions"):
                for artifact, spec in component.get(side, {}).get("artifacts", {}).items():
                    yield f"{place_of(name)}.{side}.artifacts.{artifact}", spec

    def origins(self, component: str, parameter: str, below: frozenset[str] = frozenset()) -> Iterator[tuple[str, Spec]]:
        """Yields where an input parameter's value comes from, followed up through the DAGs.

        Args:
            component: The component whose parameter it is.
            parameter: Its name.
            below: The components that led here: none is its own parent.

        Yields:
            The place, and there either the definition of the parameter (`parameterType`, `defaultValue`) or what the task binds it to
            (`runtimeValue`, `taskOutputParameter`).
        """
        definition = parameters_of(self.components.get(component, {})).get(parameter)
        tasks = [task for task in self.tasks() if task.component_name == component]
        given = [(task, task.parameters[parameter]) for task in tasks if parameter in task.parameters]
        for task, binding in given:
            if "componentInputParameter" not in binding:
                yield f"{task.place}.inputs.parameters.{parameter}", binding
            elif task.parent not in below:
                yield from self.origins(task.parent, binding["componentInputParameter"], below | {component})
        if definition and len(given) < max(len(tasks), 1):
            yield f"{place_of(component)}.inputDefinitions.parameters.{parameter}", definition

    def users_of(self, label: str) -> list[str]:
        """Returns the components that an executor runs."""
        return [name for name, component in self.components.items() if component.get("executorLabel") == label]


def known_value(origin: Spec) -> Any:
    """Returns the constant or the default of an origin of `Document.origins`; None where it has neither."""
    return origin.get("runtimeValue", {}).get("constant", origin.get("defaultValue"))


def place_of(component: str) -> str:
    """Returns a component's path in the document."""
    return component if component == "root" else f"components.{component}"


def parameters_of(component: Spec) -> dict[str, Spec]:
    """Returns the definitions of a component's input parameters."""
    return component.get("inputDefinitions", {}).get("parameters", {})


def artifacts_of(component: Spec) -> dict[str, Spec]:
    """Returns the definitions of a component's input artifacts."""
    return component.get("inputDefinitions", {}).get("artifacts", {})


def strings(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yields every text within a value, the names in it too, with its place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"{place}.{key}", key
            yield from strings(item, f"{place}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings(item, f"{place}[{index}]")


def as_json(value: Any) -> bytes:
    """Returns a value as the backends write it into arguments and resources."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def read_documents(text: str) -> list[Any]:
    """Reads the documents of a file.

    Args:
        text: The YAML (or JSON).

    Raises:
        UnreadableError: It is neither.
    """
    try:
        return [document for document in load_documents(text) if document is not None]
    except yaml.YAMLError as error:
        raise UnreadableError(f"not YAML: {' '.join(str(error).split())[:160]}") from error


def _pipeline(documents: list[Any]) -> Spec:
    specs = [document.get("pipelineSpec", document) for document in documents if isinstance(document, dict)]
    if any("argoproj.io" in str(spec.get("apiVersion")) for spec in specs):
        raise UnreadableError("an Argo workflow, as KFP 1 compiled; compile the pipeline with kfp 2")
    spec = next((spec for spec in specs if isinstance(spec.get("root"), dict)), None)
    if spec is None:
        raise UnreadableError("not a compiled pipeline (it has no `root`); create one with `penstock compile` or kfp's compiler")
    return spec


def _parsed(raw: Spec) -> tuple[Spec, str]:
    import_kfp()
    from google.protobuf import json_format

    from ..kfp_adapter.pipeline_spec import pipeline_spec_pb2 as pb

    def normal(value: Spec, message: Any, lenient: bool) -> Spec:
        parsed = json_format.ParseDict(value, message, ignore_unknown_fields=lenient)
        return json.loads(json.dumps(json_format.MessageToDict(parsed), sort_keys=True))

    def normal_spec(lenient: bool) -> Spec:
        spec = normal(raw, pb.PipelineSpec(), lenient)
        return spec | {"deploymentSpec": normal(spec.get("deploymentSpec", {}), pb.PipelineDeploymentConfig(), lenient)}

    try:
        return normal_spec(lenient=False), ""
    except (json_format.ParseError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
    try:
        return normal_spec(lenient=True), reason
    except (json_format.ParseError, AttributeError, TypeError) as error:
        raise UnreadableError(f"not a compiled pipeline ({reason}); create one with `penstock compile` or kfp's compiler") from error

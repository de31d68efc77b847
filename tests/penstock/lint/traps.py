"""A file that falls into each trap, and one that does the same without.

As far as kfp's compiler makes such files, it makes these; where it refuses, they are cut by hand out of one that it made.
"""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Optional

import yaml
from kfp import compiler, dsl, kubernetes

from penstock.spec.portable import without_woven

warnings.filterwarnings("ignore", category=FutureWarning)

IMAGE = f"registry.example.com/team/python@sha256:{'0' * 64}"
# A component of Penstock is what every backend, a laptop among them, runs as a container.
PENSTOCK_IMAGE = f"ghcr.io/penstock/penstock-tf@sha256:{'0' * 64}"
COMMAND = ["python", "-m", "penstock.components.ingest_examples"]

Text = Callable[[], str]
TRAPS: dict[str, tuple[Text, Text]] = {}


def compiled(pipeline: Any) -> str:
    """Returns what kfp's compiler makes of a pipeline or component."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        return path.read_text()


def cut(text: str, path: str, value: Any) -> str:
    """Returns the first document with another value at a path, such as `root.dag.tasks.say`; None takes it out."""
    document = next(yaml.safe_load_all(text))
    *parents, last = path.split("/")
    place = document
    for key in parents:
        place = place.setdefault(key, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return yaml.safe_dump(document)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def say(text: str, more: dict = {}):  # noqa: B006
    print(text, more)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ask() -> str:
    return "yes"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ask_more() -> NamedTuple("Answers", [("word", str), ("words", list)]):  # type: ignore[valid-type]
    return ("yes", ["a", "b"])


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def write(data: dsl.Output[dsl.Dataset]):
    Path(data.path).write_text("x")


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def read(data: dsl.Input[dsl.Dataset]):
    print(data.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def read_optional(data: Optional[dsl.Input[dsl.Dataset]] = None):  # noqa: UP045 - kfp knows no `X | None`
    print(data)


def saying(text: Any = "hello", more: Any = None, change: Callable[[Any], Any] = lambda task: task) -> str:
    """Returns a pipeline of one task, which says something."""

    @dsl.pipeline(name="saying")
    def pipeline():
        change(say(text=text, more=more or {}))

    return compiled(pipeline)


def running(
    *args: Any,
    command: Any = COMMAND,
    image: str = PENSTOCK_IMAGE,
    given: str = "hello",
    change: Callable[[Any], Any] = lambda task: task,
) -> str:
    """Returns a pipeline of a container component."""

    def component(text: str, data: dsl.Input[dsl.Dataset]):
        return dsl.ContainerSpec(
            image=image, command=command, args=[argument(text, data) if callable(argument) else argument for argument in args]
        )

    contained = dsl.container_component(component)

    @dsl.pipeline(name="running")
    def pipeline():
        change(contained(text=given, data=write().outputs["data"]))

    return compiled(pipeline)


def with_parameter(kind: Any, default: Any, use: Callable[[Any, Any], Any]) -> str:
    """Returns a pipeline with a parameter, and a task that uses it."""

    def pipeline(value: kind = default):
        use(say(text="hello"), value)

    document = yaml.safe_load(compiled(dsl.pipeline(name="with-parameter")(pipeline)))
    return yaml.safe_dump(without_woven(document))


EXECUTOR_INPUT = ("--executor_input", "{{$}}")
# What a file may lack that was cut or joined by hand: a path as of `cut`, and what stands there instead.
DAMAGES: dict[str, tuple[str, Any]] = {
    "no component": ("components/comp-say", None),
    "no components": ("components", None),
    "no executor": ("deploymentSpec/executors/exec-say", None),
    "no executors": ("deploymentSpec/executors", None),
    "no deployment": ("deploymentSpec", None),
    "nothing to run": ("deploymentSpec/executors/exec-say", {}),
    "no image": ("deploymentSpec/executors/exec-say/container/image", None),
    "no reference": ("root/dag/tasks/say/componentRef", None),
    "no label": ("components/comp-say/executorLabel", None),
    "no task to wait for": ("root/dag/tasks/say/dependentTasks", ["another"]),
    "no producer": (
        "root/dag/tasks/say/inputs/parameters/text",
        {"taskOutputParameter": {"producerTask": "another", "outputParameterKey": "Output"}},
    ),
}


def _file() -> dict[str, tuple[Text, Text]]:
    executor = "deploymentSpec/executors/exec-say"
    return {
        "two-documents": (lambda: saying(change=lambda task: kubernetes.set_timeout(task, 20)), saying),
        "schema-version": (lambda: cut(saying(), "schemaVersion", "2.0.0"), saying),
        "unknown-field": (lambda: cut(saying(), "root/dag/takss", {}), saying),
        "pipeline-name": (lambda: cut(saying(), "pipelineInfo/name", "Saying_It"), lambda: cut(saying(), "pipelineInfo/name", "a" * 113)),
        "missing-part": (lambda: cut(saying(), executor, None), saying),
        "executor-kind": (lambda: cut(saying(), executor, {"customJob": {"customJob": {"displayName": "say"}}}), saying),
    }


def _placeholders() -> dict[str, tuple[Text, Text]]:
    job_name = dsl.PIPELINE_JOB_NAME_PLACEHOLDER
    plain = lambda: running(*EXECUTOR_INPUT, lambda text, data: text, lambda text, data: data.path)  # noqa: E731

    def in_environment(value: str) -> str:
        return saying(change=lambda task: task.set_env_variable("NAME", value).set_caching_options(False))

    def given(more: dict[str, str]) -> str:
        return cut(saying(), "root/dag/tasks/say/inputs/parameters/more/runtimeValue/constant", more)

    def hello(in_text: bool) -> str:
        return with_parameter(str, "you", lambda task, value: say(text=f"hello {value}" if in_text else value))

    return {
        "concat-placeholder": (lambda: running(lambda text, data: dsl.ConcatPlaceholder(["--text=", text])), plain),
        "if-present-placeholder": (lambda: running(command=["echo", dsl.IfPresentPlaceholder("text", then=["--text"])]), plain),
        "if-present-argument": (lambda: running(lambda text, data: dsl.IfPresentPlaceholder("text", then=["--text", text])), plain),
        "if-present-artifact": (
            lambda: running(lambda text, data: dsl.IfPresentPlaceholder("data", then=["--data", data.path])),
            lambda: running(lambda text, data: dsl.IfPresentPlaceholder("text", then=["--text", text])),
        ),
        "output-file-placeholder": (lambda: running("--output", dsl.PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER), plain),
        "metadata-placeholder": (lambda: running(lambda text, data: data.metadata["rows"]), plain),
        "job-placeholder-in-arguments": (lambda: running("--name", job_name), plain),
        "unknown-placeholder": (lambda: running("{{$.inputs.artifacts['data'].name}}"), plain),
        "placeholder-in-environment": (lambda: in_environment(job_name), lambda: in_environment("me")),
        "vertex-placeholder": (lambda: saying("{{$.pipeline_google_cloud_location}}"), lambda: saying(job_name)),
        "value-placeholder": (lambda: saying(dsl.PIPELINE_ROOT_PLACEHOLDER), lambda: saying(dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER)),
        "job-placeholder-in-text": (lambda: saying(f"run {job_name}"), lambda: saying(job_name)),
        "placeholder-in-text": (lambda: hello(in_text=True), lambda: hello(in_text=False)),
        "channel-in-collection": (lambda: given({"key": "{{channel:task=;name=x;type=String;}}"}), saying),
        "workspace-placeholder": (lambda: given({"folder": f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/x"}), saying),
        "job-placeholder-local": (lambda: saying(dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER), lambda: saying(job_name)),
    }


def _text_and_size() -> dict[str, tuple[Text, Text]]:
    description = "root/inputDefinitions/parameters/value/description"
    described = lambda size: cut(with_parameter(str, "", lambda task, value: task), description, "x" * size)  # noqa: E731

    def by_default(size: int) -> str:
        more = {"parameterType": "STRUCT", "isOptional": True, "defaultValue": {"text": "x" * size}}
        text = cut(saying(), "root/dag/tasks/say/inputs/parameters/more", None)
        return cut(text, "components/comp-say/inputDefinitions/parameters/more", more)

    @dsl.pipeline(name="inner")
    def inner(value: str):
        say(text=value)

    @dsl.pipeline(name="outer")
    def outer():
        inner(value="hello")

    def inner_described(size: int) -> str:
        return cut(compiled(outer), "components/comp-inner/inputDefinitions/parameters/value/description", "x" * size)

    whole = lambda value: with_parameter(int, value, lambda task, given: None)  # noqa: E731
    return {
        "argo-expression": (lambda: saying(more={"sum": "{{=1+1}}"}), lambda: saying(more={"sum": "{=1+1}"})),
        "variable-in-text": (lambda: saying("$(KFP_POD_NAME)"), lambda: saying("$(date +%s)")),
        "wide-character": (lambda: saying("\U0001f600"), lambda: saying("\u00e9 \uffe0")),
        "large-number": (lambda: whole(2**60), lambda: whole(2**53)),
        "executor-input-size": (lambda: by_default(123_000), lambda: by_default(118_000)),
        "run-parameters-size": (lambda: described(123_000), lambda: described(100_000)),
        "double-braces": (lambda: saying(more={"template": "{{ name }}"}), lambda: saying(more={"template": "{ {name} }"})),
        "double-dollar": (lambda: saying("cost: $$"), lambda: saying("cost: $")),
        "argument-size": (lambda: running("x" * 131_072), lambda: running("x" * 131_071)),
        "dag-size": (lambda: inner_described(131_072), lambda: inner_described(100_000)),
        "workflow-size": (
            lambda: cut(saying(), "pipelineInfo/description", "x" * 1_572_864),
            lambda: cut(saying(), "pipelineInfo/description", "x" * 1_500_000),
        ),
    }


def _images() -> dict[str, tuple[Text, Text]]:
    def of(image: str) -> str:
        return saying(change=lambda task: task.set_container_image(image))

    @dsl.component(base_image=IMAGE, packages_to_install=["pandas==2.3.0"])
    def installing():
        print("x")

    def knative(image: str) -> str:
        return saying(text="kserve://models/flights?mode=knative", more={"image": image})

    @dsl.pipeline(name="volume")
    def volume():
        kubernetes.CreatePVC(pvc_name="data", access_modes=["ReadWriteOnce"], size="1Gi", storage_class_name="standard")

    return {
        "floating-image": (lambda: of("registry.example.com/team/python:latest"), lambda: of(IMAGE)),
        "image-without-digest": (lambda: of("registry.example.com:5000/team/python:3.11"), lambda: of(IMAGE)),
        "image-without-registry": (lambda: of(f"team/python@sha256:{'0' * 64}"), lambda: of(f"localhost/python@sha256:{'0' * 64}")),
        "image-parameter": (lambda: with_parameter(str, IMAGE, lambda task, value: task.set_container_image(value)), lambda: of(IMAGE)),
        "knative-tag": (lambda: knative("localhost:5000/serve:1"), lambda: knative(f"localhost:5000/serve@sha256:{'0' * 64}")),
        "install-at-run-time": (lambda: compiled(installing), saying),
        "needs-docker": (lambda: running(*EXECUTOR_INPUT, command=["echo"], image=IMAGE), lambda: running(*EXECUTOR_INPUT)),
        "kubernetes-task": (lambda: next(iter(compiled(volume).split("\n---\n"))), saying),
    }


def _parameters() -> dict[str, tuple[Text, Text]]:
    output = "components/comp-say/inputDefinitions/parameters/Output"
    optional = lambda default: with_parameter(Optional[str], default, lambda task, value: None)  # noqa: E731, UP045

    def sharing(argument: str) -> str:
        @dsl.container_component
        def first(text: str):
            return dsl.ContainerSpec(image=IMAGE, command=["echo"], args=["same"])

        @dsl.container_component
        def second(number: int):
            return dsl.ContainerSpec(image=IMAGE, command=["echo"], args=[argument])

        @dsl.pipeline(name="sharing")
        def pipeline():
            first(text="a")
            second(number=1)

        return compiled(pipeline)

    return {
        "output-parameter": (lambda: cut(saying(), output, {"parameterType": "STRING", "isOptional": True}), saying),
        "optional-parameter": (lambda: optional(None), lambda: optional("")),
        "shared-container": (lambda: sharing("same"), lambda: sharing("other")),
        "number-in-collection": (lambda: saying(more={"rows": [3]}), lambda: saying(more={"rows": ["3", 0.5, True]})),
    }


def _artifacts() -> dict[str, tuple[Text, Text]]:
    @dsl.pipeline(name="writing")
    def writing():
        read(data=write().outputs["data"])

    title = "components/comp-write/outputDefinitions/artifacts/data/artifactType/schemaTitle"
    typed = lambda name: cut(compiled(writing), title, name)  # noqa: E731

    def importing(uri: str) -> str:
        @dsl.pipeline(name="importing")
        def pipeline():
            read(data=dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset).output)

        return compiled(pipeline)

    @dsl.pipeline(name="importing-an-answer")
    def importing_an_answer():
        read(data=dsl.importer(artifact_uri=ask().output, artifact_class=dsl.Dataset).output)

    @dsl.pipeline(name="importing-a-parameter")
    def importing_a_parameter(uri: str = "s3://bucket/rows"):
        read(data=dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset).output)

    @dsl.pipeline(name="importing-each")
    def importing_each():
        with dsl.ParallelFor(["gs://bucket/a", "gs://bucket/b"]) as uri:
            read(data=dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset).output)

    @dsl.pipeline(name="rooted", pipeline_root="s3://bucket/root")
    def rooted():
        say(text="hello")

    return {
        "artifact-title": (lambda: typed("a.module.Examples"), lambda: typed("system.Model")),
        "artifact-namespace": (lambda: typed("tfx.Examples"), lambda: typed("google.VertexModel")),
        "artifact-input": (lambda: compiled(read), lambda: compiled(writing)),
        "importer-local": (lambda: compiled(importing_a_parameter), lambda: importing("/data/rows")),
        "importer-scheme": (lambda: importing("https://example.com/rows.csv"), lambda: compiled(importing_a_parameter)),
        "importer-storage": (lambda: compiled(importing_a_parameter), lambda: importing("gs://bucket/rows")),
        "importer-from-task": (lambda: compiled(importing_an_answer), lambda: compiled(importing_a_parameter)),
        "importer-in-loop": (lambda: compiled(importing_each), lambda: importing("gs://bucket/rows")),
        "pipeline-root": (lambda: compiled(rooted), saying),
    }


def _resources() -> dict[str, tuple[Text, Text]]:
    def accelerator(word: str) -> str:
        return saying(change=lambda task: task.set_accelerator_type(word).set_accelerator_limit(1))

    def count(kind: Any, default: Any) -> str:
        return with_parameter(kind, default, lambda task, value: task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(value))

    def memory(default: str) -> str:
        return with_parameter(str, default, lambda task, value: task.set_memory_limit(value))

    limited = lambda: saying(change=lambda task: task.set_cpu_limit("4").set_memory_limit("16G"))  # noqa: E731
    return {
        "accelerator-word-vertex": (lambda: accelerator("nvidia.com/gpu"), lambda: accelerator("NVIDIA_L4")),
        "accelerator-word-kubernetes": (lambda: accelerator("NVIDIA_L4"), lambda: accelerator("nvidia.com/gpu")),
        "machine-parameter": (lambda: memory("4G"), limited),
        "empty-quantity": (lambda: memory(""), lambda: memory("4G")),
        "resource-parameter-type": (lambda: count(int, 1), lambda: count(str, "1")),
        "machine-limit": (lambda: saying(change=lambda task: task.set_cpu_limit("128")), limited),
        "machine-quantity": (lambda: saying(change=lambda task: task.set_memory_limit("16Gi")), limited),
        "resources-local": (limited, saying),
    }


def _control() -> dict[str, tuple[Text, Text]]:
    @dsl.pipeline(name="if-named")
    def if_named():
        with dsl.If(ask_more().outputs["word"] == "yes"):
            say(text="hello")

    @dsl.pipeline(name="if-else")
    def if_else():
        with dsl.If(ask_more().outputs["word"] == "yes"):
            say(text="hello")
        with dsl.Else():
            say(text="good-bye")

    @dsl.pipeline(name="loop-named")
    def loop_named():
        with dsl.ParallelFor(ask_more().outputs["words"]) as word:
            say(text=word)

    def looping(parallelism: int) -> str:
        @dsl.pipeline(name="looping")
        def pipeline():
            with dsl.ParallelFor(["a", "b", "c"], parallelism=parallelism) as word:
                say(text=word)

        return compiled(pipeline)

    def counting(kind: Any, collected: bool = False) -> str:
        @dsl.component(base_image=IMAGE, install_kfp_package=False)
        def count(number: int) -> int:
            return number

        @dsl.component(base_image=IMAGE, install_kfp_package=False)
        def add(numbers: list) -> int:
            return sum(numbers)

        def pipeline(numbers: kind = [1, 2]):  # type: ignore[valid-type]  # noqa: B006
            with dsl.ParallelFor(numbers) as number:
                counted = count(number=number)
            if collected:
                add(numbers=dsl.Collected(counted.output))

        return compiled(dsl.pipeline(name="counting")(pipeline))

    @dsl.pipeline(name="one-of")
    def one_of():
        asked = ask()
        with dsl.If(asked.output == "yes"):
            first = write()
        with dsl.Else():
            second = write()
        read(data=dsl.OneOf(first.outputs["data"], second.outputs["data"]))

    def handled(word: str) -> str:
        @dsl.component(base_image=IMAGE, install_kfp_package=False)
        def tell(status: dsl.PipelineTaskFinalStatus):
            print(status.state == "WORD")

        @dsl.pipeline(name="handled")
        def pipeline():
            with dsl.ExitHandler(tell()):
                say(text="hello")

        document = yaml.safe_load(compiled(pipeline))
        command = document["deploymentSpec"]["executors"]["exec-tell"]["container"]["command"]
        command[-1] = command[-1].replace('status.state == "WORD"', word)
        return yaml.safe_dump(document)

    status = "root/dag/tasks/tell/inputs/parameters/status"
    items = "root/dag/tasks/for-loop-2"
    artifacts = {"itemInput": "item", "items": {"inputArtifact": "items"}}
    over_artifacts = lambda: cut(cut(looping(0), f"{items}/parameterIterator", None), f"{items}/artifactIterator", artifacts)  # noqa: E731
    return {
        "if-on-task-output": (lambda: compiled(if_named), lambda: compiled(if_else)),
        "loop-over-task-output": (lambda: compiled(loop_named), lambda: looping(0)),
        "one-of-artifacts": (lambda: compiled(one_of), lambda: compiled(if_else)),
        "loop-over-artifacts": (over_artifacts, lambda: looping(0)),
        "loop-parallelism": (lambda: looping(3), lambda: looping(2)),
        "loop-item-type": (lambda: counting(list), lambda: counting(list[int])),
        "empty-loop": (lambda: counting(list[int], collected=True), lambda: counting(list[int])),
        "final-status-state": (lambda: handled("status.state == 'SUCCEEDED'"), lambda: handled("status.error_code")),
        "final-status-complete": (lambda: handled("status.state == 'COMPLETE'"), lambda: handled("status.error_code")),
        "final-status-missing": (lambda: cut(handled("None"), status, None), lambda: handled("None")),
        "retry": (lambda: saying(change=lambda task: task.set_retry(2)), saying),
    }


def _gates() -> dict[str, tuple[Text, Text]]:
    @dsl.container_component
    def validate(data: dsl.Input[dsl.Dataset], on_anomalies: str = "fail"):
        command = ["python", "-m", "penstock.components.validate_examples"]
        return dsl.ContainerSpec(image=PENSTOCK_IMAGE, command=command, args=[*EXECUTOR_INPUT])

    def validating(**given: str) -> str:
        @dsl.pipeline(name="validating")
        def pipeline():
            validate(data=write().outputs["data"], **given).set_caching_options(False)

        return compiled(pipeline)

    return {"lost-evidence": (validating, lambda: validating(on_anomalies="warn"))}


def _caching() -> dict[str, tuple[Text, Text]]:
    def pushing(cached: bool) -> str:
        command = ["python", "-m", "penstock.components.push_model"]
        return running(*EXECUTOR_INPUT, command=command, change=lambda task: task.set_caching_options(cached))

    def optional(cached: bool) -> str:
        @dsl.pipeline(name="optional-artifact")
        def pipeline():
            read_optional(data=write().outputs["data"]).set_caching_options(cached)

        return compiled(pipeline)

    def environment(cached: bool) -> str:
        return saying(change=lambda task: task.set_env_variable("MODE", "fast").set_caching_options(cached))

    def defaulting(given: bool) -> str:
        @dsl.container_component
        def echo(text: str = "hello"):
            return dsl.ContainerSpec(image=IMAGE, command=["echo"], args=[text])

        @dsl.pipeline(name="defaulting")
        def pipeline():
            echo(**{"text": "hello"} if given else {})

        return compiled(pipeline)

    def nested(cached: bool) -> str:
        @dsl.pipeline(name="inner")
        def inner():
            say(text="hello")

        @dsl.pipeline(name="outer")
        def outer():
            inner().set_caching_options(cached)

        return compiled(outer)

    return {
        "stale-answer": (lambda: pushing(True), lambda: pushing(False)),
        "uri-in-cache": (lambda: running(*EXECUTOR_INPUT, given="gs://bucket/rows"), lambda: running(*EXECUTOR_INPUT, given="rows.csv")),
        "optional-artifact": (lambda: optional(True), lambda: optional(False)),
        "environment-in-cache": (lambda: environment(True), lambda: environment(False)),
        "cache-key": (lambda: saying(change=lambda task: task.set_caching_options(True, cache_key="mine")), saying),
        "default-in-cache": (lambda: defaulting(False), lambda: defaulting(True)),
        "caching-of-a-group": (lambda: nested(False), lambda: nested(True)),
    }


def _platform() -> dict[str, tuple[Text, Text]]:
    secret = lambda task: kubernetes.use_secret_as_env(task, "secret", {"key": "KEY"})  # noqa: E731
    passed = [{"field": "KUBERNETES_TOLERATIONS", "applyToTask": True}]
    return {
        "kubernetes-value": (lambda: saying(change=secret), saying),
        "platform-settings": (lambda: saying(change=lambda task: kubernetes.set_timeout(task, 20)), saying),
        "task-config": (lambda: cut(saying(), "components/comp-say/taskConfigPassthroughs", passed), saying),
    }


for _group in (_file, _placeholders, _text_and_size, _images, _parameters, _artifacts, _resources, _control, _gates, _caching, _platform):
    TRAPS.update(_group())

"""Accelerators, CPU and memory in each backend's words, wherever in a pipeline a parameter reaches a task's resources."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from kfp import dsl

from penstock.components.images import image
from penstock.errors import UserError
from penstock.kfp_adapter.pipeline_spec import pipeline_spec_pb2
from penstock.remote.accelerator_names import ACCELERATORS
from penstock.remote.accelerators import Accelerator, Resolved, resolve
from penstock.spec.pipeline_file import PipelineFile

ROOT = Path(__file__).resolve().parents[3]
TRAINING = ROOT / "compiled" / "flight_delay_training.yaml"


@dsl.container_component
def train():
    return dsl.ContainerSpec(image="train", command=["train"])


@dsl.container_component
def choose(accelerator: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image="choose", command=["choose", accelerator])


@dsl.pipeline(name="one")
def one(kind: str = "", count: str = ""):
    train().set_accelerator_type(kind).set_accelerator_limit(count)


def _resolve(file: PipelineFile, parameters: dict[str, Any], backend: str, resources: dict[str, str] | None = None) -> Resolved:
    before = copy.deepcopy(file.document)
    resolved = resolve(file, file.document, parameters, backend, resources)
    assert file.document == before, "the file's document is never changed"
    json_format.ParseDict(resolved.spec, pipeline_spec_pb2.PipelineSpec())
    return resolved


def _resources(resolved: Resolved, label: str = "exec-train") -> dict[str, Any]:
    return resolved.spec["deploymentSpec"]["executors"][label]["container"].get("resources", {})


def _static(pipeline: Any, compiled: Callable[[Any], PipelineFile]) -> dict[str, Any]:
    """Returns what kfp's compiler writes for static resources."""
    return compiled(pipeline).document["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]


@pytest.mark.parametrize(
    ("given", "kubeflow", "vertex", "count"),
    [
        ("gpu", "nvidia.com/gpu", "NVIDIA_TESLA_T4", 1),
        ("l4", "nvidia.com/gpu", "NVIDIA_L4", 1),
        ("L4", "nvidia.com/gpu", "NVIDIA_L4", 1),
        ("l4x2", "nvidia.com/gpu", "NVIDIA_L4", 2),
        ("t4", "nvidia.com/gpu", "NVIDIA_TESLA_T4", 1),
        ("a100x16", "nvidia.com/gpu", "NVIDIA_TESLA_A100", 16),
        ("a100-80gb", "nvidia.com/gpu", "NVIDIA_A100_80GB", 1),
        ("h100x8", "nvidia.com/gpu", "NVIDIA_H100_80GB", 8),
        ("h200", "nvidia.com/gpu", "NVIDIA_H200_141GB", 1),
        ("rtx-pro-6000x4", "nvidia.com/gpu", "NVIDIA_RTX_PRO_6000", 4),
    ],
)
def test_abstract_names(compiled, given, kubeflow, vertex, count):
    on_kubeflow = _resolve(compiled(one), {"kind": given}, "kubeflow")
    assert on_kubeflow.parameters == {"kind": kubeflow, "count": str(count)}
    assert on_kubeflow.spec == compiled(one).document
    on_vertex = _resolve(compiled(one), {"kind": given}, "vertex")
    assert on_vertex.parameters == {"kind": vertex, "count": str(count)}

    @dsl.pipeline(name="static")
    def static():
        train().set_accelerator_type(vertex).set_accelerator_limit(count)

    assert _resources(on_vertex) == _static(static, compiled)
    assert on_vertex.accelerators == on_kubeflow.accelerators == {"exec-train": Accelerator(given.lower().partition(f"x{count}")[0], count)}


def test_the_worked_example(compiled):
    file = PipelineFile(TRAINING)
    parameters = {"accelerator_type": "l4", "accelerator_count": "2", "input_uri": "gs://bucket"}
    on_kubeflow = _resolve(file, parameters, "kubeflow")
    assert on_kubeflow.parameters == parameters | {"accelerator_type": "nvidia.com/gpu"}
    on_vertex = _resolve(file, parameters, "vertex")
    assert on_vertex.parameters == parameters | {"accelerator_type": "NVIDIA_L4"}
    assert _resources(on_vertex, "exec-train-model") == {
        "accelerator": {"count": "2", "resourceCount": "2", "resourceType": "NVIDIA_L4", "type": "NVIDIA_L4"}
    }


@pytest.mark.parametrize("parameters", [{}, {"kind": ""}, {"kind": "", "count": "0"}, {"kind": "l4", "count": "0"}])
def test_no_accelerator(compiled, parameters):
    on_vertex = _resolve(compiled(one), parameters, "vertex")
    assert _resources(on_vertex) == {}
    on_kubeflow = _resolve(compiled(one), parameters, "kubeflow")
    assert _resources(on_kubeflow) == _resources(Resolved(compiled(one).document, {}, {}))
    assert on_kubeflow.parameters.get("kind", "") == ""
    assert on_vertex.accelerators == on_kubeflow.accelerators == {}


GPU_IMAGE, CPU_IMAGE = "here.example/p/penstock-tf-gpu", "here.example/p/penstock-tf"


@dsl.container_component
def on_gpu():
    return dsl.ContainerSpec(image=f"{GPU_IMAGE}:1", command=["train"])


@dsl.container_component
def on_gpu_by_digest():
    return dsl.ContainerSpec(image=f"{GPU_IMAGE}@sha256:1", command=["train"])


@dsl.container_component
def on_cpu_by_digest():
    return dsl.ContainerSpec(image=f"{CPU_IMAGE}@sha256:2", command=["evaluate"])


@dsl.pipeline(name="tagged")
def tagged(kind: str = "", count: str = ""):
    on_gpu().set_accelerator_type(kind).set_accelerator_limit(count)


@dsl.pipeline(name="tagged-plain")
def tagged_plain():
    on_gpu()


@dsl.pipeline(name="pinned")
def pinned(kind: str = "", count: str = ""):
    on_gpu_by_digest().set_accelerator_type(kind).set_accelerator_limit(count)
    on_cpu_by_digest()


@dsl.pipeline(name="pinned-alone")
def pinned_alone(kind: str = "", count: str = ""):
    on_gpu_by_digest().set_accelerator_type(kind).set_accelerator_limit(count)


@dsl.pipeline(name="chosen")
def chosen():
    on_gpu().set_accelerator_type(choose().output).set_accelerator_limit(1)


def _images(resolved: Resolved) -> set[str]:
    return {item["container"]["image"] for item in resolved.spec["deploymentSpec"]["executors"].values()} - {"choose"}


@pytest.mark.parametrize("backend", ["kubeflow", "vertex"])
@pytest.mark.parametrize(
    ("pipeline", "parameters", "images"),
    [
        (tagged, {}, {f"{CPU_IMAGE}:1"}),
        (tagged, {"kind": "l4", "count": "0"}, {f"{CPU_IMAGE}:1"}),
        (tagged, {"kind": "l4"}, {f"{GPU_IMAGE}:1"}),
        (tagged_plain, {}, {f"{CPU_IMAGE}:1"}),
        (pinned, {}, {f"{CPU_IMAGE}@sha256:2"}),
        (pinned, {"kind": "l4x2"}, {f"{GPU_IMAGE}@sha256:1", f"{CPU_IMAGE}@sha256:2"}),
        (pinned_alone, {}, {f"{GPU_IMAGE}@sha256:1"}),
    ],
)
def test_the_gpu_image_is_for_who_asks_for_a_gpu(compiled, backend, pipeline, parameters, images):
    assert _images(_resolve(compiled(pipeline), parameters, backend)) == images


def test_the_gpu_image_stays_where_only_the_running_pipeline_knows(compiled):
    assert _images(_resolve(compiled(chosen), {}, "kubeflow")) == {f"{GPU_IMAGE}:1"}


@pytest.mark.parametrize(("given", "family"), [({}, "tf"), ({"accelerator_type": "l4"}, "tf-gpu")])
def test_the_flights_train_in_the_image_that_suits_them(given, family):
    resolved = _resolve(PipelineFile(TRAINING), {"input_uri": "gs://bucket", **given}, "kubeflow")
    assert resolved.spec["deploymentSpec"]["executors"]["exec-train-model"]["container"]["image"] == image(family)


def test_a_backends_own_words(compiled):
    assert _resolve(compiled(one), {"kind": "amd.com/gpu"}, "kubeflow").parameters == {"kind": "amd.com/gpu", "count": "1"}
    on_vertex = _resolve(compiled(one), {"kind": "TPU_V3", "count": "8"}, "vertex")
    assert _resources(on_vertex)["accelerator"] == {"count": "8", "resourceCount": "8", "resourceType": "TPU_V3", "type": "TPU_V3"}
    assert on_vertex.accelerators == {"exec-train": Accelerator("TPU_V3", 8)}


@pytest.mark.parametrize(
    ("parameters", "backend", "message"),
    [
        ({"kind": "a100-80g"}, "vertex", "pipeline.yaml, task train: kind: vertex has no accelerator a100-80g; did you mean a100-80gb?"),
        ({"kind": "warp"}, "kubeflow", "kubeflow has no accelerator warp; it has gpu, t4, p4"),
        ({"kind": "mi300x"}, "vertex", "vertex has no accelerator mi300x"),
        ({"kind": "NVIDIA_L4"}, "kubeflow", "NVIDIA_L4 is a name of another backend: on kubeflow use l4"),
        ({"kind": "nvidia.com/gpu"}, "vertex", "nvidia.com/gpu is a name of another backend: on vertex use gpu"),
        ({"kind": "ACCELERATOR_TYPE_UNSPECIFIED"}, "vertex", "vertex has no accelerator ACCELERATOR_TYPE_UNSPECIFIED"),
        ({"kind": "/gpu"}, "kubeflow", "kubeflow has no accelerator /gpu"),
        ({"kind": "l4x0"}, "kubeflow", "kubeflow has no accelerator l4x0"),
        ({"kind": "l4x2", "count": "3"}, "kubeflow", "kind is l4x2, but count is 3"),
        ({"kind": "l4x2", "count": "0"}, "vertex", "kind is l4x2, but count is 0"),
        ({"kind": "l4", "count": "two"}, "vertex", "count must be an integer number of accelerators, not 'two'"),
        ({"kind": "l4", "count": "-1"}, "kubeflow", "count must be an integer number of accelerators, not '-1'"),
        ({"count": "2"}, "kubeflow", "count is 2, but there is no accelerator: give kind too"),
    ],
)
def test_what_a_backend_does_not_know(compiled, parameters, backend, message):
    with pytest.raises(UserError) as caught:
        _resolve(compiled(one), parameters, backend)
    assert message in caught.value.message


def test_an_xn_that_the_count_repeats(compiled):
    assert _resolve(compiled(one), {"kind": "l4x2", "count": "2"}, "kubeflow").parameters == {"kind": "nvidia.com/gpu", "count": "2"}


def test_only_the_type_is_a_parameter(compiled):
    @dsl.pipeline(name="p")
    def pipeline(kind: str = "l4"):
        train().set_accelerator_type(kind)

    file = compiled(pipeline)
    on_kubeflow = _resolve(file, {}, "kubeflow")
    assert on_kubeflow.parameters == {"kind": "nvidia.com/gpu"}
    assert on_kubeflow.spec == file.document
    both = _resolve(file, {"kind": "l4x2"}, "kubeflow")
    assert _resources(both)["accelerator"] == {
        "count": "2",
        "resourceCount": "2",
        "resourceType": "nvidia.com/gpu",
        "type": "nvidia.com/gpu",
    }


def test_a_number_is_written_where_the_driver_would_take_it_as_empty(compiled):
    @dsl.pipeline(name="p")
    def pipeline(kind: str = "l4", count: int = 2):
        train().set_accelerator_type(kind).set_accelerator_limit(count)

    on_kubeflow = _resolve(compiled(pipeline), {}, "kubeflow")
    assert on_kubeflow.parameters == {"kind": "nvidia.com/gpu", "count": 2}
    assert _resources(on_kubeflow)["accelerator"]["resourceCount"] == "2"


def test_static_words_become_the_backends(compiled):
    @dsl.pipeline(name="p")
    def pipeline():
        train().set_accelerator_type("h100x8")

    for backend, word in (("kubeflow", "nvidia.com/gpu"), ("vertex", "NVIDIA_H100_80GB")):
        resolved = _resolve(compiled(pipeline), {}, backend)
        assert _resources(resolved)["accelerator"] == {"count": "8", "resourceCount": "8", "resourceType": word, "type": word}


def test_through_nested_pipelines_and_conditions(compiled):
    @dsl.pipeline(name="inner")
    def inner(kind: str, number: str = "1"):
        with dsl.If(kind != ""):
            train().set_accelerator_type(kind).set_accelerator_limit("2")
        train().set_accelerator_type(kind).set_accelerator_limit(number)

    @dsl.pipeline(name="outer")
    def outer(first: str, second: str):
        inner(kind=first)
        inner(kind=second, number="3")

    on_vertex = _resolve(compiled(outer), {"first": "l4", "second": "t4"}, "vertex")
    asked = sorted((each.name, each.count) for each in on_vertex.accelerators.values())
    assert asked == [("l4", 1), ("l4", 2), ("t4", 2), ("t4", 3)]
    assert on_vertex.parameters == {"first": "NVIDIA_L4", "second": "NVIDIA_TESLA_T4"}
    assert _resources(on_vertex, "exec-train")["accelerator"]["type"] == "NVIDIA_L4"
    assert _resolve(compiled(outer), {"first": "l4", "second": "t4"}, "kubeflow").parameters == dict.fromkeys(
        ("first", "second"), "nvidia.com/gpu"
    )


def test_text_around_a_parameter(compiled):
    @dsl.pipeline(name="p")
    def pipeline(series: str):
        train().set_accelerator_type(f"{series}100")

    for backend, word in (("kubeflow", "nvidia.com/gpu"), ("vertex", "NVIDIA_H100_80GB")):
        resolved = _resolve(compiled(pipeline), {"series": "h"}, backend)
        assert resolved.parameters == {"series": "h"}
        assert _resources(resolved)["accelerator"]["resourceType"] == word


def test_what_only_the_running_pipeline_knows(compiled):
    @dsl.pipeline(name="p")
    def pipeline(count: str = "1"):
        train().set_accelerator_type(choose().output).set_accelerator_limit(count)

    assert _resolve(compiled(pipeline), {}, "kubeflow").spec == compiled(pipeline).document
    with pytest.raises(UserError, match="known only while the pipeline runs"):
        _resolve(compiled(pipeline), {}, "vertex")


def test_a_name_whose_count_only_the_running_pipeline_knows(compiled):
    @dsl.pipeline(name="p")
    def pipeline(kind: str):
        train().set_accelerator_type(kind).set_accelerator_limit(choose().output)

    assert _resolve(compiled(pipeline), {"kind": "nvidia.com/gpu"}, "kubeflow").parameters == {"kind": "nvidia.com/gpu"}
    with pytest.raises(UserError, match="so l4 must be a resource such as"):
        _resolve(compiled(pipeline), {"kind": "l4"}, "kubeflow")


def test_a_loops_items(compiled):
    @dsl.pipeline(name="p")
    def pipeline():
        with dsl.ParallelFor(["nvidia.com/gpu", "amd.com/gpu"]) as kind:
            train().set_accelerator_type(kind)

    assert _resolve(compiled(pipeline), {}, "kubeflow").accelerators == {}
    with pytest.raises(UserError, match="known only while the pipeline runs"):
        _resolve(compiled(pipeline), {}, "vertex")


def test_one_count_of_two_accelerators(compiled):
    @dsl.pipeline(name="p")
    def pipeline(first: str, second: str, count: str = ""):
        train().set_accelerator_type(first).set_accelerator_limit(count)
        train().set_accelerator_type(second).set_accelerator_limit(count)

    assert _resolve(compiled(pipeline), {"first": "l4x2", "second": "a100x2"}, "kubeflow").parameters["count"] == "2"
    with pytest.raises(UserError, match="count would have to be both 2 and 4"):
        _resolve(compiled(pipeline), {"first": "l4x2", "second": "a100x4"}, "kubeflow")


def test_a_count_that_one_of_two_tasks_has(compiled):
    @dsl.pipeline(name="p")
    def pipeline(first: str = "", second: str = "", count: str = ""):
        train().set_accelerator_type(first).set_accelerator_limit(count)
        train().set_accelerator_type(second).set_accelerator_limit(count)

    given = {"second": "l4", "count": "2"}
    assert _resolve(compiled(pipeline), given, "vertex").accelerators == {"exec-train-2": Accelerator("l4", 2)}


def test_a_constant_of_a_nested_pipeline(compiled):
    @dsl.pipeline(name="inner")
    def inner(kind: str):
        train().set_accelerator_type(kind)

    @dsl.pipeline(name="outer")
    def outer():
        inner(kind="l4x2")

    for backend, word in (("kubeflow", "nvidia.com/gpu"), ("vertex", "NVIDIA_L4")):
        assert _resources(_resolve(compiled(outer), {}, backend))["accelerator"]["resourceType"] == word


def test_what_the_platform_settings_have(compiled):
    resources = {"l4": "nvidia.com/gpu", "mig": "nvidia.com/mig-1g.5gb"}
    assert _resolve(compiled(one), {"kind": "migx2"}, "kubeflow", resources).parameters == {"kind": "nvidia.com/mig-1g.5gb", "count": "2"}
    assert _resolve(compiled(one), {"kind": "gpu"}, "kubeflow", resources).parameters["kind"] == "nvidia.com/gpu"
    own = _resolve(compiled(one), {"kind": "poolx4x2"}, "kubeflow", {"poolx4": "amd.com/gpu"})
    assert own.accelerators == {"exec-train": Accelerator("poolx4", 2)}
    with pytest.raises(UserError, match="the cluster of the platform settings has no accelerator h100; it has gpu, l4, mig"):
        _resolve(compiled(one), {"kind": "h100"}, "kubeflow", resources)


@dsl.pipeline(name="sized")
def sized(cpu: str = "4", memory: str = "16Gi", cores: int = 2):
    train().set_cpu_limit(cpu).set_memory_limit(memory).set_cpu_request(cores).set_memory_request(memory)


def test_quantities(compiled):
    @dsl.pipeline(name="static")
    def static():
        train().set_cpu_limit("500m").set_memory_limit("16G").set_cpu_request("2").set_memory_request("16G")

    on_vertex = _resolve(compiled(sized), {"cpu": "500m", "memory": "16G"}, "vertex")
    assert _resources(on_vertex) == _static(static, compiled)
    on_kubeflow = _resolve(compiled(sized), {"cpu": "500m"}, "kubeflow")
    assert _resources(on_kubeflow)["resourceCpuLimit"] == "{{$.inputs.parameters['pipelinechannel--cpu']}}"
    assert _resources(on_kubeflow)["resourceCpuRequest"] == "2"


@pytest.mark.parametrize(
    ("cpu", "memory", "documented"),
    [
        ("4", "16G", ("4", "16G")),
        ("96", "624G", ("96", "624G")),
        ("0.5", "16Gi", ("500m", "17180M")),
        ("1.5", "1.5Gi", ("1500m", "1611M")),
        ("0.0001", "100k", ("1m", "1M")),
        ("2", "17179869184", ("2", "17179869184")),
    ],
)
def test_quantities_as_vertex_ai_documents_them(compiled, cpu, memory, documented):
    resources = _resources(_resolve(compiled(sized), {"cpu": cpu, "memory": memory}, "vertex"))
    assert (resources["resourceCpuLimit"], resources["resourceMemoryLimit"]) == documented


@pytest.mark.parametrize(
    ("name", "text", "most"), [("cpu", "97", "96"), ("cpu", "96001m", "96"), ("memory", "625G", "624G"), ("memory", "1Ti", "624G")]
)
def test_more_than_vertex_ai_documents(compiled, name, text, most):
    with pytest.raises(UserError, match=f"task train: {name} is {text}, and Vertex AI gives a task at most {most}; request less"):
        _resolve(compiled(sized), {name: text}, "vertex")
    _resolve(compiled(sized), {name: text}, "kubeflow")


@pytest.mark.parametrize("backend", ["kubeflow", "vertex"])
def test_an_empty_quantity_is_none(compiled, backend):
    resources = _resources(_resolve(compiled(sized), {"cpu": "", "memory": ""}, backend))
    assert set(resources) == {"resourceCpuRequest", "cpuRequest"}


@pytest.mark.parametrize("backend", ["kubeflow", "vertex"])
@pytest.mark.parametrize("text", ["16 GB", "-1", "NaN", "Infinity", "16GiB", "lots"])
def test_what_is_no_quantity(compiled, backend, text):
    with pytest.raises(UserError, match=f"memory must be a quantity of memory such as 16Gi, not '{text}'"):
        _resolve(compiled(sized), {"memory": text}, backend)


def test_a_quantity_that_only_the_running_pipeline_knows(compiled):
    @dsl.pipeline(name="p")
    def pipeline():
        train().set_cpu_limit(choose().output)

    assert _resolve(compiled(pipeline), {}, "kubeflow").spec == compiled(pipeline).document
    with pytest.raises(UserError, match="task train: CPU is known only while the pipeline runs"):
        _resolve(compiled(pipeline), {}, "vertex")


def test_every_name_is_one_of_vertex_ais_client():
    from google.cloud.aiplatform_v1.types import AcceleratorType

    names = {row["vertex"] for row in ACCELERATORS.values() if "vertex" in row}
    assert names <= {each.name for each in AcceleratorType}


def test_the_table_of_the_page():
    section = (ROOT / "docs" / "submitting.md").read_text().partition("## Accelerators")[2].partition("\n## ")[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
    assert rows == [[name, row.get("kubeflow", ""), row.get("vertex", "")] for name, row in ACCELERATORS.items()]

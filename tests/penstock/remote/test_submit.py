"""`penstock submit`: what reaches a backend, and what is refused before anything does."""

import random
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl

from penstock.components.data import pack, pack_module
from penstock.components.data.user_module import REPOSITORY_SUFFIXES

from ...doubles.kubeflow.double import KubeflowDouble
from ...doubles.vertex.double import VertexDouble
from ..lint.traps import DAMAGES, cut, saying
from ..pipelines import chain, compiled, gate, nested_gates, push_model, read, say
from .backends import Backend, Kubeflow, Vertex
from .person import Person, run_id

COMPILED = Path(__file__).resolve().parents[3] / "compiled"
TRAINING, MATERIALIZE = COMPILED / "training.yaml", COMPILED / "components" / "materialize_features.yaml"
_Refusal = tuple[Any, dict[str, str | None], list[str], str]


@dsl.container_component
def concat(folder: str):
    return dsl.ContainerSpec(image="python:3.11", command=["echo", dsl.ConcatPlaceholder(["to ", folder])])


@dsl.container_component
def if_present(folder: str):
    return dsl.ContainerSpec(image="python:3.11", command=["echo", dsl.IfPresentPlaceholder("folder", ["there"], ["not there"])])


@dsl.pipeline(name="placeholders-of-vertex")
def concatenating(folder: str):
    concat(folder=folder)


@dsl.pipeline(name="placeholders-of-kubeflow")
def asking(folder: str):
    if_present(folder=folder)


@dsl.pipeline(name="pushing-cached")
def pushing_cached(folder: str):
    push_model().set_caching_options(True)


@dsl.pipeline(name="given")
def given(folder: str, rows: dsl.Input[dsl.Dataset]):
    read(artifact=rows, folder=folder)


@dsl.pipeline(name="accelerated")
def accelerated(folder: str, accelerator_type: str = "", accelerator_count: str = ""):
    task = say(text="fast", folder=folder)
    task.set_accelerator_type(accelerator_type).set_accelerator_limit(accelerator_count)


REFUSED: dict[str, _Refusal] = {
    "missing parameter": (gate, {"folder": None}, [], "parameter folder of gate.yaml is missing: give it with --param folder=VALUE"),
    "unknown parameter": (gate, {"colour": "red"}, [], "gate.yaml has no parameter colour; it has folder, text"),
    "typo": (gate, {"txet": "x"}, [], "gate.yaml has no parameter txet; did you mean text?"),
    "wrong type": (nested_gates, {"least": "many"}, [], "parameter least must be a whole number, not 'many'"),
    "no value": (gate, {}, ["--param", "text"], "--param text is not NAME=VALUE"),
    "no such option": (gate, {}, ["--experimnt", "x"], "No such option"),
    "artifact": (given, {}, [], "given.yaml takes the artifact rows, which a run on "),
    "accelerator": (accelerated, {"accelerator_type": "h1000"}, [], "h1000"),
    "accelerators": (accelerated, {"accelerator_type": "l4x2", "accelerator_count": "3"}, [], "accelerator_type is l4x2, but"),
}


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED)
def test_what_cannot_go_well_is_not_sent(backend: Backend, person: Person, refusal: _Refusal) -> None:
    pipeline, parameters, options, message = refusal
    done = person.submits(pipeline, *options, **parameters)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Usage: " in done.stderr or len(done.stderr.splitlines()) == 1, "one clear line"
    assert backend.calls() == []


@pytest.mark.parametrize(
    ("text", "message"), [(None, "cannot read gate.yaml"), ("", "is not a compiled pipeline"), ("a: [", "is not a compiled pipeline")]
)
def test_a_file_that_is_no_pipeline_is_not_sent(backend: Backend, person: Person, text: str | None, message: str) -> None:
    if text is not None:
        (person.folder / "gate.yaml").write_text(text)
    done = person.types("submit", "gate.yaml")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr
    assert backend.calls() == []


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_not_sent(backend: Backend, person: Person, damage: tuple[str, Any]) -> None:
    (person.folder / "damaged.yaml").write_text(cut(saying(), *damage))
    done = person.types("submit", "damaged.yaml")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "damaged.yaml is damaged: at " in done.stderr
    assert backend.calls() == []


@pytest.mark.parametrize(
    ("refusing", "pipeline", "rule"),
    [("kubeflow", concatenating, "concat-placeholder"), ("vertex", asking, "if-present-placeholder")],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_only_the_other_backend_takes_is_not_sent(backend: Backend, person: Person, refusing: str, pipeline: Any, rule: str) -> None:
    done = person.submits(pipeline, "--dry-run")
    if backend.name == refusing:
        assert done.returncode == 2
        assert f"cannot run on {refusing}: " in done.stderr
        assert f"({rule}); nothing was sent" in done.stderr
        assert done.stdout == ""
    else:
        assert done.returncode == 0, done.stderr
    assert backend.calls() == []


def test_what_is_true_once_is_not_sent_to_be_cached(backend: Backend, person: Person) -> None:
    done = person.submits(pushing_cached)
    assert done.returncode == 2
    assert "(stale-answer); nothing was sent" in done.stderr
    assert backend.calls() == []


def test_vertex_takes_one_document(vertex: VertexDouble, person: Person) -> None:
    person.writes_context(Vertex(vertex))
    file = compiled(gate, person.folder)
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-say": {"imagePullPolicy": "Always"}}}}}}
    file.write_text(f"{file.read_text()}---\n{yaml.safe_dump(platform)}")
    done = person.submits(file)
    assert done.returncode == 2
    assert "gate.yaml cannot run on vertex: " in done.stderr
    assert vertex.faults.calls == []


def test_no_place_is_a_usage_error_that_names_the_places(person: Person) -> None:
    assert "--target kubeflow or vertex" in person.submits(gate).stderr
    done = person.submits(gate, "--target", "kubflow")
    assert done.returncode == 2
    assert "'kubflow' is not one of 'kubeflow', 'vertex'" in done.stderr


def test_what_is_typed_reaches_the_backend(backend: Backend, person: Person) -> None:
    account = "runner@my-project.iam.gserviceaccount.com"
    options = ["--name", "by hand", "--experiment", "flights", "--service-account", account, "--pipeline-root", "gs://bucket/elsewhere"]
    done = person.submits(chain, *options)
    assert done.returncode == 0, done.stderr
    got = backend.got()
    assert (got.name, got.experiment, got.service_account) == ("by hand", "flights", account)
    assert got.pipeline_root.startswith("gs://bucket/elsewhere")
    assert set(got.parameters) == {"folder"}, "what is not given is left to the pipeline"


@pytest.mark.slow
def test_a_feature_repository_travels_without_its_tables(backend: Backend, person: Person) -> None:
    folder = person.folder / "features"
    (folder / "data").mkdir(parents=True)
    (folder / "feature_store.yaml").write_text("project: flights\n")
    (folder / "features.py").write_text("import feast\n")
    (folder / "data" / "delays.parquet").write_bytes(random.Random(0).randbytes(99_999))
    done = person.submits(MATERIALIZE, "--dry-run", folder=None, feature_repository="features")
    assert done.returncode == 0, done.stderr
    assert pack_module(str(folder), suffixes=REPOSITORY_SUFFIXES) in done.stdout.replace("\n", "")


def test_modules_and_texts_of_this_machine_travel_along(backend: Backend, person: Person) -> None:
    (person.folder / "code").mkdir()
    (person.folder / "code" / "trainer.py").write_text("import shared\ndef run_fn(x):\n    pass\n")
    (person.folder / "code" / "shared.py").write_text("x = 1\n")
    (person.folder / "schema.pbtxt").write_text('feature { name: "x" }\n')
    given = {"input_uri": "gs://b/rows.csv", "eval_config": "gs://b/e.pbtxt", "model_name": "m", "destination": "kserve://n/m"}
    modules = {"trainer_module": "code/trainer.py", "preprocessing_module": "code", "schema_file": "schema.pbtxt"}
    done = person.submits(TRAINING, "--dry-run", folder=None, **given, **modules)
    assert done.returncode == 0, done.stderr
    for packed in (pack_module(str(person.folder / "code" / "trainer.py")), pack_module(str(person.folder / "code"))):
        assert packed in done.stdout.replace("\n", "")
    assert pack('feature { name: "x" }\n') in done.stdout
    assert "gs://b/e.pbtxt" in done.stdout
    (person.folder / "code" / "large.bin").write_bytes(random.Random(0).randbytes(99_999))
    done = person.submits(TRAINING, folder=None, **given, **modules)
    assert (done.returncode, "preprocessing_module is 13" in done.stderr, "put it in a bucket and pass its URI" in done.stderr) == (
        1,
        True,
        True,
    )


def test_it_says_what_was_made_and_how_to_follow_it(backend: Backend, person: Person) -> None:
    done = person.submits(chain)
    submitted, page, follow = done.stdout.splitlines()
    run = run_id(done.stdout)
    assert submitted == f"submitted  {run}"
    assert page.startswith("page       http")
    assert run in page
    word, command = follow.split(maxsplit=2)[:2], shlex.split(follow)[2:]
    assert word == ["follow", "it"]
    followed = person.types(*command[1:])
    assert followed.returncode == 0
    assert (person.folder / "read").read_text() == "same\n"


def test_parameters_of_a_context_count_where_the_pipeline_has_them(backend: Backend, person: Person) -> None:
    person.writes_context(backend, text="from the context", destination="what this pipeline has not")
    assert person.submits(chain).returncode == 0
    assert backend.got().parameters["text"] == "from the context"
    (person.folder / "values.yaml").write_text("text: from the file\n")
    assert person.submits(chain, "--params", "values.yaml").returncode == 0
    assert backend.got().parameters["text"] == "from the file"
    assert person.submits(chain, "--params", "values.yaml", text="typed").returncode == 0
    assert backend.got().parameters["text"] == "typed"
    assert "destination" not in backend.got().parameters


@pytest.mark.parametrize("accelerator", ["", "l4x2"])
def test_an_accelerator_is_in_the_backends_words_and_the_file_stays(backend: Backend, person: Person, accelerator: str) -> None:
    file = compiled(accelerated, person.folder)
    before = file.read_bytes()
    done = person.submits(file, "--dry-run", accelerator_type=accelerator)
    assert done.returncode == 0, done.stderr
    sent = yaml.safe_load(done.stdout)
    spec = {"kubeflow": lambda: sent["pipeline_version"]["pipeline_spec"], "vertex": lambda: sent["pipelineJob"]["pipelineSpec"]}
    container = spec[backend.name]()["deploymentSpec"]["executors"]["exec-say"]["container"]
    block = container.get("resources", {}).get("accelerator")
    if backend.name == "vertex":  # which documents static settings only
        assert block == ({"type": "NVIDIA_L4", "count": "2", "resourceType": "NVIDIA_L4", "resourceCount": "2"} if accelerator else None)
    elif accelerator:
        given = sent["run"]["runtime_config"]["parameters"]
        assert (given["accelerator_type"], given["accelerator_count"]) == ("nvidia.com/gpu", "2")
    assert file.read_bytes() == before
    assert backend.calls() == []


def test_a_submitted_accelerator_is_static_on_vertex(vertex: VertexDouble, person: Person) -> None:
    backend = Vertex(vertex)
    person.writes_context(backend)
    file = compiled(accelerated, person.folder)
    before = file.read_bytes()
    assert person.submits(file, accelerator_type="t4").returncode == 0
    block = backend.got().spec["deploymentSpec"]["executors"]["exec-say"]["container"]["resources"]["accelerator"]
    assert (block["type"], block["count"]) == ("NVIDIA_TESLA_T4", "1")
    assert file.read_bytes() == before


def test_a_dry_run_prints_a_document_and_sends_nothing(backend: Backend, person: Person) -> None:
    done = person.submits(chain, "--dry-run", "--name", "never", text="a: [strange] text")
    assert done.returncode == 0
    document = yaml.safe_load(done.stdout)
    output = yaml.safe_dump(document)
    assert "never" in output
    assert "a: [strange] text" in output
    assert done.stderr.endswith("nothing was sent\n")
    assert "python:3.11 is a tag that can be moved; use its digest (@sha256:...) (image-without-digest)" in done.stderr
    assert backend.calls() == []


class TestUpload:
    def test_the_same_bytes_are_the_same_version(self, kubeflow: KubeflowDouble, person: Person) -> None:
        person.writes_context(Kubeflow(kubeflow))
        file = compiled(gate, person.folder)
        first, again = (person.types("upload", file) for _ in range(2))
        assert (first.returncode, again.returncode) == (0, 0)
        assert first.stdout.startswith("uploaded   gate, version ")
        assert again.stdout == first.stdout.replace("uploaded   ", "is there   ")
        assert len(kubeflow.records.versions) == 1
        compiled(chain, person.folder).rename(file)
        assert person.types("upload", file, "--name", "gate").stdout.startswith("uploaded   gate, version ")
        assert len(kubeflow.records.versions) == 2
        assert len(kubeflow.records.pipelines) == 1

    def test_a_component_is_uploaded_too(self, kubeflow: KubeflowDouble, person: Person) -> None:
        person.writes_context(Kubeflow(kubeflow))
        file = compiled(say, person.folder)
        assert person.types("upload", file, "--name", "Say it").stdout.startswith("uploaded   Say it, version ")
        assert [pipeline.display_name for pipeline in kubeflow.records.pipelines.values()] == ["Say it"]

    def test_vertex_has_no_list(self, vertex: VertexDouble, person: Person) -> None:
        person.writes_context(Vertex(vertex))
        done = person.types("upload", compiled(gate, person.folder))
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
        assert "Vertex AI has no list of pipelines to upload gate.yaml to: submit the file" in done.stderr
        assert vertex.faults.calls == []

"""The platform document is what kfp compiles when a pipeline itself calls kfp-kubernetes' functions."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from kfp import dsl, kubernetes

from penstock.errors import UserError
from penstock.kfp_adapter.pipeline_spec import pipeline_spec_pb2
from penstock.remote.accelerators import Accelerator, resolve
from penstock.remote.platform import platform_spec
from penstock.remote.platform_settings import TaskShape, accelerator_resources
from penstock.spec.pipeline_file import PipelineFile

ROOT = Path(__file__).resolve().parents[3]
TRAINING = ROOT / "compiled" / "flight_delay_training.yaml"

# As `terraform output -raw platform_settings` writes it.
TERRAFORM = """
"accelerators":
  "l4":
    "node_selectors":
      "cloud.google.com/gke-accelerator": "nvidia-l4"
    "resource": "nvidia.com/gpu"
    "service_account": "penstock-trainer"
    "tolerations":
    - "effect": "NoSchedule"
      "key": "nvidia.com/gpu"
      "operator": "Exists"
"environment_secrets":
  "penstock-mlflow":
  - "MLFLOW_TRACKING_USERNAME"
  - "MLFLOW_TRACKING_PASSWORD"
"namespace": "kubeflow"
"service_account": "pipeline-runner"
"serving":
  "namespace": "models"
  "service_account": "penstock-serving"
"""

EVERYTHING = """
tasks:
  train:
    environment_secrets: {mlflow: [USER], database: {password: PGPASSWORD}}
    environment_config_maps: {proxies: [HTTPS_PROXY]}
    environment_fields: {NODE: spec.nodeName}
    secret_volumes: {certificates: /certificates}
    config_map_volumes: {settings: /settings}
    volume_claims: {models: /pvc/models, scratch: {mount_path: /scratch, sub_path: team}}
    empty_dirs: {shm: {mount_path: /dev/shm, medium: Memory, size_limit: 8Gi}, work: /work}
    ephemeral_volumes:
      cache: {mount_path: /cache, size: 100Gi}
      fast: {mount_path: /fast, size: 1Ti, storage_class: ssd, access_modes: [ReadWriteOncePod]}
    node_selectors: {pool: training}
    node_affinity: [{match_expressions: [{key: zone, operator: In, values: [a, b]}], weight: 10}]
    tolerations: [{key: dedicated, operator: Equal, value: training, effect: NoExecute, toleration_seconds: 60}]
    image_pull_secrets: [registry]
    image_pull_policy: Always
    timeout: 90m
    labels: {team: forecasting}
    annotations: {sidecar.istio.io/inject: "false"}
    security_context: {run_as_user: 1000, run_as_group: 1000, run_as_non_root: true}
"""


@dsl.container_component
def train():
    return dsl.ContainerSpec(image="train", command=["train"])


@dsl.container_component
def score():
    return dsl.ContainerSpec(image="score", command=["score"])


@dsl.pipeline(name="two")
def two():
    train()
    score()


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[str], Path]:
    """Returns a function that writes a settings file."""

    def write(text: str) -> Path:
        (tmp_path / "platform.yaml").write_text(text)
        return tmp_path / "platform.yaml"

    return write


def _executors(document: dict[str, Any] | None) -> dict[str, Any]:
    assert document
    json_format.ParseDict(document, pipeline_spec_pb2.PlatformSpec())
    return document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_everything_is_what_kfp_compiles(compiled, settings):
    @dsl.pipeline(name="two")
    def with_everything():
        task = train()
        score()
        kubernetes.use_secret_as_env(task, "mlflow", {"USER": "USER"})
        kubernetes.use_secret_as_env(task, "database", {"password": "PGPASSWORD"})
        kubernetes.use_config_map_as_env(task, "proxies", {"HTTPS_PROXY": "HTTPS_PROXY"})
        kubernetes.use_field_path_as_env(task, "NODE", "spec.nodeName")
        kubernetes.use_secret_as_volume(task, "certificates", "/certificates")
        kubernetes.use_config_map_as_volume(task, "settings", "/settings")
        kubernetes.mount_pvc(task, "models", "/pvc/models")
        kubernetes.mount_pvc(task, "scratch", "/scratch", "team")
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit="8Gi")
        kubernetes.empty_dir_mount(task, "work", "/work")
        kubernetes.add_ephemeral_volume(task, "cache", "/cache", ["ReadWriteOnce"], "100Gi")
        kubernetes.add_ephemeral_volume(task, "fast", "/fast", ["ReadWriteOncePod"], "1Ti", storage_class_name="ssd")
        kubernetes.add_node_selector(task, "pool", "training")
        kubernetes.add_node_affinity(task, [{"key": "zone", "operator": "In", "values": ["a", "b"]}], weight=10)
        kubernetes.add_toleration(task, "dedicated", "Equal", "training", "NoExecute", 60)
        kubernetes.set_image_pull_secrets(task, ["registry"])
        kubernetes.set_image_pull_policy(task, "Always")
        kubernetes.set_timeout(task, 5400)
        kubernetes.add_pod_label(task, "team", "forecasting")
        kubernetes.add_pod_annotation(task, "sidecar.istio.io/inject", "false")
        kubernetes.set_security_context(task, 1000, 1000, True)

    expected = compiled(with_everything)
    assert platform_spec(settings(EVERYTHING), expected.document, {}) == expected.platform
    assert compiled(two).document == expected.document


def test_what_terraform_writes(settings):
    file = PipelineFile(TRAINING)
    place = settings(TERRAFORM)
    resources = accelerator_resources(place)
    assert resources == {"l4": "nvidia.com/gpu"}
    resolved = resolve(file, file.document, {"accelerator_type": "l4"}, "kubeflow", resources)
    executors = _executors(platform_spec(place, resolved.spec, resolved.accelerators))
    assert set(executors) == set(file.document["deploymentSpec"]["executors"])
    for config in executors.values():
        assert [each["envVar"] for each in config["secretAsEnv"][0]["keyToEnv"]] == [
            "MLFLOW_TRACKING_USERNAME",
            "MLFLOW_TRACKING_PASSWORD",
        ]
    for name in ("exec-train-model", "exec-tune-model"):
        training = executors.pop(name)
        assert training["nodeSelector"] == {"labels": {"cloud.google.com/gke-accelerator": "nvidia-l4"}}
        assert training["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert not any("tolerations" in config or "nodeSelector" in config for config in executors.values())


@pytest.mark.parametrize("name", ["gpu", "nvidia.com/gpu"])
def test_any_accelerator_goes_to_any_of_their_nodes(compiled, settings, name):
    place = settings(
        """
        accelerators:
          l4: {resource: nvidia.com/gpu, node_selectors: {pool: l4}, tolerations: [{key: l4}, {key: gpu}]}
          a100: {resource: nvidia.com/gpu, node_selectors: {pool: a100}, tolerations: [{key: gpu}, {key: a100}]}
          mi300x: {resource: amd.com/gpu, tolerations: [{key: amd}]}
        """
    )
    executors = _executors(platform_spec(place, compiled(two).document, {"exec-train": Accelerator(name, 1)}))
    assert executors == {"exec-train": {"tolerations": [{"key": "l4"}, {"key": "gpu"}, {"key": "a100"}]}}


def test_a_tasks_settings_come_on_top_of_the_accelerators_and_the_defaults(compiled, settings):
    place = settings(
        """
        environment_secrets: {mlflow: [USER]}
        accelerators:
          l4: {resource: nvidia.com/gpu, node_selectors: {pool: l4}, tolerations: [{key: gpu}]}
        defaults:
          timeout: 1h
          labels: {team: forecasting}
          tolerations: [{key: spot}]
          environment_secrets: {mlflow: [PASSWORD]}
        tasks:
          train: {timeout: 2d, labels: {kind: training}, node_selectors: {pool: mine}, tolerations: [{key: gpu}, {key: mine}]}
        """
    )
    executors = _executors(platform_spec(place, compiled(two).document, {"exec-train": Accelerator("l4", 1)}))
    assert {label: config["activeDeadlineSeconds"] for label, config in executors.items()} == {"exec-train": "172800", "exec-score": "3600"}
    assert [each["key"] for each in executors["exec-train"]["tolerations"]] == ["spot", "gpu", "mine"]
    assert executors["exec-train"]["nodeSelector"]["labels"] == {"pool": "mine"}
    assert executors["exec-train"]["podMetadata"]["labels"] == {"team": "forecasting", "kind": "training"}
    assert executors["exec-score"]["podMetadata"]["labels"] == {"team": "forecasting"}
    assert [each["secretKey"] for each in executors["exec-score"]["secretAsEnv"][0]["keyToEnv"]] == ["USER", "PASSWORD"]


@pytest.mark.parametrize("text", ["", "namespace: kubeflow\n", "defaults: {}\n"])
def test_nothing_to_say(compiled, settings, text):
    assert platform_spec(settings(text), compiled(two).document, {}) is None


def test_tasks_of_nested_pipelines(compiled, settings):
    @dsl.pipeline(name="inner")
    def inner():
        train()

    @dsl.pipeline(name="outer")
    def outer():
        inner()
        inner()
        score()

    file = compiled(outer)
    labels = {label for label in file.executors if "train" in label}
    assert len(labels) == 2
    both = _executors(platform_spec(settings("tasks: {train: {timeout: 1h}}"), file.document, {}))
    assert set(both) == labels
    one = max(labels)
    alone = platform_spec(settings(f"tasks: {{{one.removeprefix('exec-')}: {{timeout: 1h}}}}"), file.document, {})
    assert set(_executors(alone)) == {one}


def test_tasks_that_run_one_container(compiled, settings):
    document = compiled(two).document
    document["components"]["comp-score"]["executorLabel"] = "exec-train"
    del document["deploymentSpec"]["executors"]["exec-score"]
    with pytest.raises(UserError, match="the tasks score, train run the same container, exec-train: give them the same settings"):
        platform_spec(settings("tasks: {train: {timeout: 1h}}"), document, {})
    same = platform_spec(settings("tasks: {train: {timeout: 1h}, score: {timeout: 1h}}"), document, {})
    assert set(_executors(same)) == {"exec-train"}


def test_an_importer_has_no_pod(compiled, settings):
    @dsl.pipeline(name="p")
    def pipeline():
        dsl.importer(artifact_uri="gs://bucket/data", artifact_class=dsl.Dataset)
        train()

    assert set(_executors(platform_spec(settings("defaults: {timeout: 1h}"), compiled(pipeline).document, {}))) == {"exec-train"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: {}", "platform.yaml: the file has no setting task; did you mean tasks?"),
        ("tasks: {trian: {timeout: 1h}}", "settings for the task trian, which the pipeline does not have; did you mean train?"),
        ("tasks: {train: {tolerance: []}}", "platform.yaml: tasks.train has no setting tolerance; did you mean tolerations?"),
        ("tasks: {train: {timeout: 3600}}", "tasks.train.timeout must be a number and its unit, such as 90m, 12h or 2d, not 3600"),
        ("tasks: {train: {timeout: 0h}}", "tasks.train.timeout must be a number and its unit"),
        (
            "tasks: {train: {tolerations: [{operator: Exist}]}}",
            "tasks.train.tolerations[0].operator must be one of Exists, Equal, not 'Exist'",
        ),
        ("tasks: {train: {tolerations: {key: a}}}", "tasks.train.tolerations must be a list, not {'key': 'a'}"),
        ("tasks: {train: {labels: {gpu: true}}}", "tasks.train.labels.gpu must be text in quotes, not True"),
        ("tasks: {train: {labels: {1: one}}}", "tasks.train.labels.1 must be text in quotes, not 1"),
        ("tasks: {train: {secret_volumes: {a: relative}}}", "tasks.train.secret_volumes.a must be a path from the root"),
        ("tasks: {train: {volume_claims: {a: {sub_path: b}}}}", "tasks.train.volume_claims.a lacks mount_path"),
        ("tasks: {train: {ephemeral_volumes: {a: {mount_path: /a, size: lots}}}}", "a.size must be a quantity such as 10Gi, not 'lots'"),
        ("tasks: {train: {environment_secrets: {a: KEY}}}", "environment_secrets.a must be a list, not 'KEY'"),
        ("tasks: {train: {security_context: {run_as_user: true}}}", "run_as_user must be a whole number, not True"),
        ("tasks: {train: {security_context: {}}}", "security_context: At least one security context field"),
        ("tasks: {train: {node_affinity: [{match_expressions: [], weight: 1000}]}}", "node_affinity: weight must be between 1 and 100"),
        ("tasks: {train: {secret_volumes: {a: /m}, volume_claims: {b: /m/}}}", "train: a and b are both mounted at /m"),
        ("tasks: [train]", "platform.yaml: tasks must be `name: value` lines, not ['train']"),
        ("accelerators: {l4: {node_selectors: {a: b}}}", "accelerators.l4 lacks resource"),
        ("defaults: [", "cannot read the platform settings in"),
        ("- 1", "platform.yaml: the file must be `name: value` lines"),
        ("platforms: {kubernetes: {}}", "is a platform document of kfp"),
    ],
)
def test_a_file_that_means_nothing(compiled, settings, text, message):
    with pytest.raises(UserError) as caught:
        platform_spec(settings(text), compiled(two).document, {})
    assert message in caught.value.message
    assert "platform.yaml" in caught.value.message


def test_a_file_that_is_not_there(compiled, tmp_path):
    with pytest.raises(UserError, match="cannot read the platform settings in"):
        platform_spec(tmp_path / "nothing.yaml", compiled(two).document, {})


def test_the_example_of_the_page(settings):
    section = (ROOT / "docs" / "kubeflow.md").read_text().partition("## Platform settings")[2]
    example = re.findall(r"```yaml\n(.*?)```", section, re.S)[0]
    executors = _executors(platform_spec(settings(example), PipelineFile(TRAINING).document, {"exec-train-model": Accelerator("l4", 1)}))
    assert executors["exec-train-model"]["activeDeadlineSeconds"] == "43200"
    assert executors["exec-train-model"]["nodeSelector"]["labels"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    assert executors["exec-push-model"]["pvcMount"][0]["mountPath"] == "/pvc/models"


def test_every_setting_of_a_task_is_on_the_page():
    section = (ROOT / "docs" / "kubeflow.md").read_text().partition("## Platform settings")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.M) == list(TaskShape.model_fields)


def test_every_setting_of_a_task_is_tried_above():
    assert all(f"    {key}:" in EVERYTHING for key in TaskShape.model_fields)

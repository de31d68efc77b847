"""From a model, and how it is to be served, to the predictor of an InferenceService."""

import hashlib
import json
from typing import Any

from kserve import V1beta1LoggerSpec, V1beta1ModelFormat, V1beta1ModelSpec, V1beta1PredictorSpec
from kubernetes.client import ApiClient, V1Container, V1ContainerPort, V1EnvVar, V1HTTPGetAction, V1Probe, V1ResourceRequirements

from penstock.components.images import image, lacks_digest
from penstock.components.protocol import TaskError
from penstock.components.release.quantity import is_quantity

from .. import server_options
from ..server_options import ServerOptions
from ..uri import check_options

KNATIVE, STANDARD = "Knative", "Standard"
MODES = {"knative": KNATIVE, "standard": STANDARD}
_MODE = "serving.kserve.io/deploymentMode"
HTTP_PORT = 8080
MODEL_FOLDER = "/mnt/models"
# The entry point of the images starts a server only by this command.
_COMMAND = ["python", "-m", "penstock.server"]
# Endpoints learn within seconds that a pod ends; until then its server answers, and after that it ends the requests that it has.
_DRAIN_SECONDS, _GRACE_SECONDS = 10, 60
# Which metrics each autoscaler knows: Knative's own, and the HorizontalPodAutoscaler.
_METRICS = {KNATIVE: ("concurrency", "rps"), STANDARD: ("cpu", "memory")}
_COUNTS = ("gpu", "min_replicas", "max_replicas", "scale_target")
_TEXTS = ("scale_metric", "logger_url", "service_account", "runtime", "image")
_QUANTITIES = ("cpu", "memory")
# KServe's own defaults. It gives them to the predictor that serves, and to no canary: one without would be restarted when it is promoted.
_AMOUNTS = {"cpu": "1", "memory": "2Gi"}
OPTIONS = {*_COUNTS, *_TEXTS, *_QUANTITIES, *server_options.OPTIONS}
# The fields of a predictor that a canary must not have: its number of replicas follows from its share of the traffic.
SCALING = ("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric")


def check_serving_options(options: dict[str, Any], mode: str) -> None:
    """Refuses invalid serving options.

    Args:
        options: `cpu` and `memory` (quantities), `gpu` (NVIDIA GPUs), `min_replicas` (0: scaled to zero without requests),
            `max_replicas`, `scale_target` and `scale_metric` (what the autoscaler holds per replica), `logger_url` (where requests and
            answers are sent), `service_account`, `runtime` (a ServingRuntime's name), `image` (a copy of Penstock's serve image in a
            registry that the cluster can pull from), and those of Penstock's server (see `ServerOptions`).
        mode: `Knative` or `Standard`.

    Raises:
        TaskError: One is unknown, of the wrong kind, or nothing for this mode.
    """
    check_options(options, OPTIONS, "kserve", "serving option")
    for name in options:
        _check_kind(name, options[name])
    fewest, most = options.get("min_replicas", 1), options.get("max_replicas", 0)
    if 0 < most < fewest:
        raise TaskError(f"serving option max_replicas={most} is less than min_replicas={fewest}; raise it")
    if mode == STANDARD and fewest == 0:
        raise TaskError("serving option min_replicas=0 (scale to zero) needs mode=knative; in mode=standard give 1 or more")
    metric = options.get("scale_metric")
    if metric and metric not in _METRICS[mode]:
        raise TaskError(
            f"serving option scale_metric={metric!r} is not a scaling metric of mode {mode}; give {' or '.join(_METRICS[mode])}"
        )
    if mode == KNATIVE and lacks_digest(options.get("image") or ""):
        raise TaskError(
            f"serving option image={options['image']!r} has no digest, which mode=knative requires: Knative resolves a tag at the registry,"
            " and does not find an image that is only on the node; give NAME@sha256:..."
        )
    if options.get("runtime") and options.get("image"):
        raise TaskError(
            "serving options runtime and image exclude each other, because a ServingRuntime has its own image; give one of them"
        )
    for name in ServerOptions.from_options(options).given():
        if options.get("runtime"):
            raise TaskError(f"serving option {name} works only with Penstock's server, which runtime replaces; omit one of them")


def _check_kind(name: str, value: Any) -> None:
    if name in _COUNTS and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise TaskError(f"serving option {name}={value!r} is not an integer; give 0 or more")
    if name in _TEXTS and not isinstance(value, str):
        raise TaskError(f"serving option {name}={value!r} is not a string; give one")
    if name in _QUANTITIES and not is_quantity(str(value)):
        raise TaskError(f"serving option {name}={value!r} is not a quantity; give one such as '500m' or '2Gi'")


def build_predictor(name: str, uri: str, fingerprint: str, version: str, options: dict[str, Any], mode: str) -> dict[str, Any]:
    """Returns a predictor that serves a model.

    Without the option `runtime` it is a custom predictor that runs Penstock's model server: KServe brings the model that `STORAGE_URI`
    names to `/mnt/models`.

    Args:
        name: The InferenceService's name, under which the model answers.
        uri: Where the model lies, in KServe's words.
        fingerprint: The model's fingerprint.
        version: Its version in the registry; empty if it has none.
        options: As `check_serving_options` knows them.
        mode: `Knative` or `Standard`.
    """
    spec = V1beta1PredictorSpec(
        min_replicas=options.get("min_replicas", 1),
        max_replicas=options.get("max_replicas"),
        scale_target=options.get("scale_target"),
        scale_metric=options.get("scale_metric"),
        service_account_name=options.get("service_account") or None,
        logger=V1beta1LoggerSpec(mode="all", url=options["logger_url"]) if options.get("logger_url") else None,
        labels={"penstock.dev/fingerprint": fingerprint[:12]},
    )
    if options.get("runtime"):
        spec.model = V1beta1ModelSpec(
            model_format=V1beta1ModelFormat(name="tensorflow"),
            runtime=options["runtime"],
            storage_uri=uri,
            resources=_resources(options, {}),
        )
    else:
        spec.containers = [_server(name, uri, fingerprint, version, options)]
        if mode == STANDARD:  # Knative refuses the field: its pods have their revision's timeout to end in
            spec.termination_grace_period_seconds = _GRACE_SECONDS
            # As with resources: an installation may add this to the predictor only, and a canary has what it leaves out from the predictor.
            spec.automount_service_account_token = False
            spec.service_account_name = spec.service_account_name or "default"
    plain: dict[str, Any] = ApiClient().sanitize_for_serialization(spec)
    return plain


def digest(fingerprint: str, predictor: dict[str, Any]) -> str:
    """Returns eight hexadecimal digits that tell a predictor of a model, as it was asked for, from any other."""
    return hashlib.sha256(json.dumps([fingerprint, predictor], sort_keys=True).encode()).hexdigest()[:8]


def predictor_name(digest: str) -> str:
    """Returns the eight characters that name a predictor in mode standard. KServe wants a letter first."""
    return f"v{digest[:7]}"


def expects_fingerprint(predictor: dict[str, Any], fingerprint: str) -> bool:
    """Tells whether a predictor's server starts with the model of this fingerprint only."""
    words = [" ".join(container.get("args") or []) for container in predictor.get("containers") or []]
    return any(f"--fingerprint {fingerprint}" in line for line in words)


def _server(name: str, uri: str, fingerprint: str, version: str, options: dict[str, Any]) -> V1Container:
    arguments = ["--model_name", name, "--model_dir", MODEL_FOLDER, "--fingerprint", fingerprint, "--drain_seconds", str(_DRAIN_SECONDS)]
    variables = {"STORAGE_URI": uri, "PENSTOCK_MODEL_VERSION": version}
    return V1Container(
        name="kserve-container",
        image=options.get("image") or image("serve"),
        command=_COMMAND,
        args=[*arguments, *ServerOptions.from_options(options).arguments()],
        env=[V1EnvVar(name=key, value=value) for key, value in variables.items() if value],
        ports=[V1ContainerPort(container_port=HTTP_PORT, protocol="TCP")],
        readiness_probe=V1Probe(http_get=V1HTTPGetAction(path="/v2/health/ready", port=HTTP_PORT)),
        resources=_resources(options, _AMOUNTS),
    )


def _resources(options: dict[str, Any], otherwise: dict[str, str]) -> V1ResourceRequirements | None:
    amounts = otherwise | {name: str(options[name]) for name in _QUANTITIES if name in options}
    if options.get("gpu"):
        amounts["nvidia.com/gpu"] = str(options["gpu"])
    return V1ResourceRequirements(requests=amounts, limits=amounts) if amounts else None


def storage_uri(predictor: dict[str, Any]) -> str:
    """Returns where a predictor's model lies; empty where it does not say."""
    for container in predictor.get("containers") or []:
        for variable in container.get("env") or []:
            if variable["name"] == "STORAGE_URI":
                return variable.get("value", "")
    implementations = [value for value in predictor.values() if isinstance(value, dict) and "storageUri" in value]
    return implementations[0]["storageUri"] if implementations else ""


def inference_service(namespace: str, name: str, mode: str, predictor: dict[str, Any]) -> dict[str, Any]:
    """Returns an InferenceService with one predictor."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations(mode)},
        "spec": {"predictor": predictor},
    }


def mode_of(service: dict[str, Any]) -> str:
    """Returns the mode that an InferenceService is asked to have; where it has no annotation KServe's default is Knative."""
    mode: str = (service["metadata"].get("annotations") or {}).get(_MODE, KNATIVE)
    return mode


def annotations(mode: str) -> dict[str, str]:
    """Returns the annotations of an InferenceService that has its mode, and in Knative mode a URL for each revision with traffic.

    An empty mode leaves the choice to KServe. Annotations never change afterwards: KServe copies them into its pods, so that another value would restart all of them.
    """
    tags = {"serving.kserve.io/enable-tag-routing": "true"} if mode == KNATIVE else {}
    return ({_MODE: mode} if mode else {}) | tags

"""InferenceServices as Penstock asks for them: what a real API with KServe's definitions says of them, and what a record says of its predictor."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from penstock.components.protocol import TaskError
from penstock.components.release.destinations.kserve.knative import Knative
from penstock.components.release.destinations.kserve.record import (
    HISTORY,
    RECORD,
    SHARE,
    KServeVersion,
    read_version,
    scaling,
    write_version,
)
from penstock.components.release.destinations.kserve.seen import DEPLOYMENT, Seen, service_name
from penstock.components.release.destinations.kserve.spec import (
    KNATIVE,
    STANDARD,
    build_predictor,
    check_serving_options,
    digest,
    inference_service,
    predictor_name,
    storage_uri,
)
from penstock.components.release.destinations.kserve.standard import Standard
from penstock.components.release.names import check_kserve_name, longest_kserve_name

from .....apiserver.api import ApiError
from .....doubles.kubernetes.installation import INFERENCE_SERVICES, installation

pytestmark = pytest.mark.usefixtures("kubernetes_api")

ALL = {
    "cpu": "500m",
    "memory": "2Gi",
    "gpu": 1,
    "min_replicas": 2,
    "max_replicas": 6,
    "scale_target": 70,
    "logger_url": "http://sink.example.com",
    "service_account": "models",
}

LOG = {"prediction_log": "s3://logs/churn", "prediction_log_sample": 0.25}


def version(number: int, mode: str = STANDARD, **options: Any) -> KServeVersion:
    fingerprint, uri = f"{number:064x}", f"s3://models/churn/{number}"
    predictor = build_predictor("churn", uri, fingerprint, str(number), options, mode)
    asked = digest(fingerprint, predictor)
    if mode == STANDARD:
        predictor["name"] = predictor_name(asked)
    return KServeVersion(predictor, fingerprint, str(number), uri, f"{uri}.release.json", digest=asked, scaling=scaling(predictor))


def problems(service: dict[str, Any]) -> str:
    """Returns what a real API says against an object, which it does not keep; empty if it takes it."""
    given = {key: value for key, value in service.items() if key != "status"} | {"metadata": service["metadata"] | {"namespace": "default"}}
    try:
        installation().admin.call("POST", INFERENCE_SERVICES.format("default"), given, dryRun="All", fieldValidation="Strict")
    except ApiError as refused:
        return refused.message
    return ""


def service(predictor: dict[str, Any], mode: str = STANDARD, **status: Any) -> dict[str, Any]:
    return inference_service("models", "churn", mode, predictor) | {"status": status}


@pytest.mark.parametrize("mode", [KNATIVE, STANDARD])
@pytest.mark.parametrize("options", [{}, ALL, {"runtime": "kserve-tensorflow-serving", "gpu": 2}, {"image": "mine:1", **LOG}])
def test_kserve_knows_every_field(mode: str, options: dict[str, Any]):
    check_serving_options(options, mode)
    staged = version(1, mode, **options).staged_beside(version(0, mode, **options))
    assert problems(service(write_version(staged) | {SHARE: 0}, mode)) == ""


def test_penstocks_server_finds_the_model_where_kserve_puts_it():
    predictor = version(1, **ALL).predictor
    (container,) = predictor["containers"]
    assert container["name"] == "kserve-container"
    assert container["command"] == ["python", "-m", "penstock.server"]
    arguments = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    assert arguments == {"--model_name": "churn", "--model_dir": "/mnt/models", "--fingerprint": f"{1:064x}", "--drain_seconds": "10"}
    assert {"name": "STORAGE_URI", "value": "s3://models/churn/1"} in container["env"]
    assert {"name": "PENSTOCK_MODEL_VERSION", "value": "1"} in container["env"]
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": "1"}
    assert predictor["automountServiceAccountToken"] is False
    assert container["readinessProbe"]["httpGet"]["port"] == container["ports"][0]["containerPort"]
    assert (predictor["minReplicas"], predictor["maxReplicas"], predictor["scaleTarget"]) == (2, 6, 70)
    assert predictor["logger"] == {"mode": "all", "url": "http://sink.example.com"}
    assert predictor["serviceAccountName"] == "models"
    assert storage_uri(predictor) == "s3://models/churn/1"


def test_a_serving_runtime_gets_the_model_by_its_storage_uri():
    predictor = version(1, runtime="kserve-tensorflow-serving", memory="1Gi").predictor
    assert predictor["model"] | {"name": ""} == {
        "name": "",
        "modelFormat": {"name": "tensorflow"},
        "runtime": "kserve-tensorflow-serving",
        "storageUri": "s3://models/churn/1",
        "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    }
    assert "containers" not in predictor
    assert storage_uri(predictor) == "s3://models/churn/1"


def test_pods_have_time_to_end_their_requests_and_knative_gives_it_itself():
    assert version(1).predictor["terminationGracePeriodSeconds"] == 60
    assert "terminationGracePeriodSeconds" not in version(1, KNATIVE).predictor, "Knative refuses the field"
    assert "terminationGracePeriodSeconds" not in version(1, runtime="kserve-tensorflow-serving").predictor


def test_the_server_gets_the_address_of_the_monitoring_figures():
    (container,) = version(1, monitoring="gs://verdicts/churn").predictor["containers"]
    assert container["args"][-2:] == ["--monitoring", "gs://verdicts/churn"]


def test_the_server_gets_the_place_of_its_prediction_log():
    (container,) = version(1, **LOG).predictor["containers"]
    assert container["args"][-4:] == ["--prediction_log", "s3://logs/churn", "--prediction_log_sample", "0.25"]
    assert not version(1).is_same(version(1, **LOG))
    (container,) = version(1, **LOG | {"prediction_log_sample": 0}).predictor["containers"]
    assert "--prediction_log" not in container["args"]


def test_the_server_takes_the_rows_ids_out_of_requests_even_where_it_keeps_none():
    for sample in (0.25, 0):
        (container,) = version(1, **LOG | {"prediction_log_key": "customer", "prediction_log_sample": sample}).predictor["containers"]
        assert container["args"][-2:] == ["--prediction_log_key", "customer"]


def test_scale_to_zero_is_a_minimum_of_no_replicas():
    assert version(1, KNATIVE, min_replicas=0, scale_metric="concurrency", scale_target=10).predictor["minReplicas"] == 0


@pytest.mark.parametrize(
    ("mode", "options", "words"),
    [
        (KNATIVE, {"replicas": 2}, "serving option replicas is unknown; kserve://"),
        (KNATIVE, {"min_replicas": -1}, "min_replicas=-1 is not an integer"),
        (KNATIVE, {"gpu": 0.5}, "gpu=0.5 is not an integer"),
        (KNATIVE, {"gpu": True}, "gpu=True is not an integer"),
        (KNATIVE, {"memory": "much"}, "memory='much' is not a quantity"),
        (KNATIVE, {"memory": "NaN"}, "memory='NaN' is not a quantity"),
        (KNATIVE, {"cpu": "-1"}, "cpu='-1' is not a quantity"),
        (KNATIVE, {"image": 3}, "image=3 is not a string"),
        (KNATIVE, {"min_replicas": 3, "max_replicas": 2}, "max_replicas=2 is less than min_replicas=3"),
        (KNATIVE, {"scale_metric": "cpu"}, "give concurrency or rps"),
        (KNATIVE, {"image": "localhost:5000/penstock-serve:1"}, "has no digest, which mode=knative requires"),
        (STANDARD, {"scale_metric": "rps"}, "give cpu or memory"),
        (STANDARD, {"min_replicas": 0}, "needs mode=knative"),
        (STANDARD, {"runtime": "a", "image": "b"}, "exclude each other"),
        (STANDARD, {"runtime": "a", **LOG}, "prediction_log works only with Penstock's server, which runtime replaces"),
        (STANDARD, {"prediction_log_key": "customer"}, "prediction_log_key needs prediction_log"),
        (STANDARD, {**LOG, "prediction_log_key": 7}, "prediction_log_key=7 is not a string"),
        (STANDARD, {"prediction_log": 7}, "prediction_log=7 is not a string"),
        (STANDARD, {"monitoring": "verdicts"}, "monitoring='verdicts' is not a location that the server reaches; give gs://… or s3://…"),
        (STANDARD, {"runtime": "a", "monitoring": "gs://verdicts"}, "monitoring works only with Penstock's server, which runtime replaces"),
        (
            STANDARD,
            {"runtime": "a", "feature_service": "http://feast/flights?keys=tail"},
            "feature_service works only with Penstock's server",
        ),
        (STANDARD, {"prediction_log": "/var/log"}, "give gs://… or s3://…"),
        (STANDARD, LOG | {"prediction_log_sample": 1.5}, "prediction_log_sample=1.5 is not a share"),
        (STANDARD, LOG | {"prediction_log_sample": True}, "prediction_log_sample=True is not a share"),
        (STANDARD, {"prediction_log_sample": 0.5}, "prediction_log_sample needs prediction_log"),
    ],
)
def test_options_that_are_none_are_refused(mode: str, options: dict[str, Any], words: str):
    with pytest.raises(TaskError) as refused:
        check_serving_options(options, mode)
    assert words in str(refused.value)


@pytest.mark.parametrize("name", ["", "Churn", "churn_model", "-churn", "churn-", "1churn", "c" * 40, "chürn", "a.b"])
def test_names_that_are_no_dns_labels_are_refused(name: str):
    with pytest.raises(TaskError, match="DNS-1123"):
        check_kserve_name("InferenceService", name, 39)


# Seen on a real KServe: one character more, and the InferenceService never gets ready.
@pytest.mark.parametrize(
    ("namespace", "mode", "longest"), [("ml", STANDARD, 39), ("team-one", STANDARD, 35), ("team-one", KNATIVE, 46), ("team-one", "", 46)]
)
def test_the_longest_name_leaves_room_for_what_kserve_makes_of_it(namespace: str, mode: str, longest: int):
    assert longest_kserve_name(namespace, mode) == longest


def test_a_namespace_may_leave_no_room_for_a_name():
    with pytest.raises(TaskError, match=r"namespace 'n{43}' leaves no characters for an InferenceService in mode standard: both together"):
        longest_kserve_name("n" * 43, STANDARD)


def test_the_longest_names_fit_the_label_and_the_host_of_a_version():
    name = "c" * longest_kserve_name("team-one", STANDARD)
    longest = inference_service("team-one", name, STANDARD, version(1).predictor | {"name": predictor_name("9bbbd87b")})
    service = service_name(longest, longest["spec"]["predictor"])
    assert len(f"{service}-team-one") == 63
    assert len(f"isvc.{service}") <= 63


@pytest.mark.parametrize("digest", ["00000000", "9bbbd87b", "afa9c1b2"])
def test_a_predictor_has_a_name_that_kserve_takes(digest: str):
    check_kserve_name("predictor", predictor_name(digest), 8)


def test_a_record_says_all_that_is_needed_to_serve_a_version_again():
    before = version(1, **ALL)
    staged = version(2).staged_beside(before, "churn-predictor-00001")
    read = read_version(write_version(staged))
    assert read == staged
    assert read.previous == replace(before, revision="churn-predictor-00001")
    assert read_version(write_version(version(3).staged_beside(read))).previous.previous == read.previous
    assert problems(service(write_version(read.previous))) == ""


def test_a_record_remembers_ten_versions_and_fits_an_annotation():
    latest = version(0, **ALL)
    for number in range(1, 15):
        latest = version(number, **ALL).staged_beside(latest)
    assert [int(entry.model_version) for entry in latest.history] == list(range(13, 13 - HISTORY, -1))
    assert len(write_version(latest)["annotations"][RECORD]) < 64 * 1024


def test_a_record_that_speaks_of_another_model_is_none():
    predictor = write_version(version(1))
    predictor["containers"][0]["env"][0]["value"] = "s3://models/another"
    read = read_version(predictor)
    assert (read.fingerprint, read.digest, read.history) == ("", "", ())
    assert read.uri == "s3://models/another"


def test_other_options_are_another_version_of_the_same_model():
    assert not version(1).is_same(version(1, memory="4Gi"))
    assert version(1).is_same(version(1))


@pytest.mark.parametrize(("mode", "steps"), [(KNATIVE, Knative()), (STANDARD, Standard())])
def test_the_first_version_is_a_candidate_until_it_is_promoted(mode: str, steps: Knative | Standard):
    now = service(write_version(version(1, mode)) | {SHARE: 0}, mode)
    assert steps.state(now).candidate == version(1, mode)
    assert steps.state(now).serving is None
    (promotion,) = steps.shift(alone(now), 100)
    promotion.change(now)
    assert steps.state(now).serving == version(1, mode)
    assert steps.state(now).candidate is None


def alone(service: dict[str, Any]) -> Seen:
    """Returns an InferenceService of which nothing was made yet."""
    return Seen(service, lambda kind, name: None)


def standard_after(*changes: tuple[Any, ...]) -> dict[str, Any]:
    """Returns what a service of version 1 asks for after steps in Standard mode."""
    now = service(write_version(version(1, **ALL)))
    for verb, argument in changes:
        for step in getattr(Standard(), verb)(alone(now) if verb == "shift" else now, argument):
            step.change(now)
            assert problems(now) == ""
    return now


def test_standard_a_canary_has_no_traffic_and_one_replica_first():
    now = standard_after(("stage", version(2, **ALL)))
    (canary,) = now["spec"]["canary"]
    assert canary["trafficPercent"] == 0
    assert canary["predictor"]["minReplicas"] == 1
    assert not {"maxReplicas", "scaleTarget", "scaleMetric"} & set(canary["predictor"])
    before = write_version(version(1, **ALL))
    assert now["spec"]["predictor"] == before
    for step in Standard().withdraw(now)[1]:
        step.change(now)
    assert now["spec"] == {"predictor": before}


@pytest.mark.parametrize(("percent", "serving", "replicas"), [(25, 2, 1), (50, 2, 1), (75, 2, 2), (50, 6, 3)])
def test_standard_a_canary_has_its_part_of_the_replicas_that_serve_then(percent: int, serving: int, replicas: int):
    now = standard_after(("stage", version(2, **ALL)))
    seen = Seen(now, lambda kind, name: {"spec": {"replicas": serving}} if kind == DEPLOYMENT else None)
    scaled, shared = Standard().shift(seen, percent)
    scaled.change(now)
    (canary,) = now["spec"]["canary"]
    assert (canary["trafficPercent"], canary["predictor"]["minReplicas"]) == (0, replicas)
    assert now["spec"]["predictor"]["minReplicas"] == max(2, replicas), "KServe allows a canary no more than that"
    shared.change(now)
    assert (canary["trafficPercent"], canary["predictor"]["minReplicas"]) == (percent, replicas)
    assert problems(now) == ""


@pytest.mark.parametrize("mode", [KNATIVE, STANDARD])
def test_resources_are_in_every_version_so_that_no_default_restarts_one(mode: str):
    (container,) = version(1, mode, cpu="250m").predictor["containers"]
    assert container["resources"] == {name: {"cpu": "250m", "memory": "2Gi"} for name in ("requests", "limits")}


def test_standard_promotion_changes_no_pod_and_gives_the_autoscaling_back():
    staged = standard_after(("stage", version(2, **ALL)))["spec"]["canary"][0]["predictor"]
    now = standard_after(("stage", version(2, **ALL)), ("shift", 100))
    in_pods = {key: value for key, value in staged.items() if key != "minReplicas"}
    assert in_pods.items() <= now["spec"]["predictor"].items()
    (kept,) = copy.deepcopy(now["spec"]["canary"])
    assert kept["predictor"]["minReplicas"] == 2, "it is kept warm with all that it needs"
    assert now["spec"]["predictor"]["minReplicas"] == 4, "KServe takes those that are kept warm off these"
    retired = copy.deepcopy(now)
    for step in Standard().retire(retired):
        step.change(retired)
    assert scaling(retired["spec"]["predictor"]) == scaling(version(2, **ALL).predictor)
    assert (kept["predictor"]["name"], kept["trafficPercent"]) == (predictor_name(version(1, **ALL).digest), 0)
    assert Standard().state(now).candidate is None
    assert Standard().state(now).serving.previous.fingerprint == version(1).fingerprint


def test_standard_what_kserve_would_mix_up_is_refused():
    now = service(write_version(version(1)))
    with pytest.raises(TaskError, match="does not support in a canary"):
        Standard().stage(now, version(2, runtime="kserve-tensorflow-serving"))


def test_knative_the_candidate_has_no_share_and_knows_what_serves():
    status = {
        "components": {"predictor": {"latestCreatedRevision": "churn-predictor-00001", "latestRolledoutRevision": "churn-predictor-00001"}}
    }
    now = service(write_version(version(1, KNATIVE)), KNATIVE, **status)
    (stage,) = Knative().stage(now, version(2, KNATIVE))
    stage.change(now)
    assert now["spec"]["predictor"][SHARE] == 0
    assert "name" not in now["spec"]["predictor"]
    assert now["metadata"]["annotations"]["serving.kserve.io/enable-tag-routing"] == "true"
    state = Knative().state(now)
    assert (state.serving.fingerprint, state.candidate.fingerprint, state.percent) == (version(1).fingerprint, version(2).fingerprint, 0)
    assert state.serving.revision == "churn-predictor-00001"
    record = json.loads(now["spec"]["predictor"]["annotations"][RECORD])
    assert record["after"] == "churn-predictor-00001"


@pytest.mark.parametrize(
    ("steps", "spec"),
    [
        (Knative(), {"predictor": {"model": {"storageUri": "s3://theirs"}, SHARE: 10}}),
        (
            Standard(),
            {"predictor": {"model": {"storageUri": "s3://theirs"}}, "canary": [{"predictor": {"name": "x"}, "trafficPercent": 10}]},
        ),
    ],
)
def test_a_canary_from_elsewhere_is_left_alone(steps: Knative | Standard, spec: dict[str, Any]):
    with pytest.raises(TaskError, match="canary at 10 % that Penstock did not create"):
        steps.state({"metadata": {"name": "churn"}, "spec": spec})

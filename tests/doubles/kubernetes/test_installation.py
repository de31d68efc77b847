"""What a real API with KServe's definitions, our copy of its webhooks and Terraform's Role takes and refuses."""

from typing import Any

import pytest

from ...apiserver.api import Api, ApiError
from .access import releasing
from .client import canary, isvc
from .installation import INFERENCE_SERVICES, Installation, installation

STANDARD = {"serving.kserve.io/deploymentMode": "Standard"}
WEBHOOK = 'admission webhook "inferenceservice.kserve-webhook-server.validator" denied the request: '


@pytest.fixture(scope="module")
def installed(kubernetes_api: None) -> Installation:
    return installation()


def try_out(api: Api, item: dict[str, Any]) -> dict[str, Any]:
    """Returns an InferenceService as the API would keep it."""
    item = item | {"metadata": item["metadata"] | {"namespace": "default"}}
    return api.call("POST", INFERENCE_SERVICES.format("default"), item, dryRun="All", fieldValidation="Strict")


def refused(api: Api, item: dict[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        try_out(api, item)
    return caught.value


@pytest.mark.parametrize(
    ("predictor", "code", "message"),
    [
        ({"minReplica": 1}, 400, 'strict decoding error: unknown field "spec.predictor.minReplica"'),
        ({"logger": {"mode": "all", "uri": "x"}}, 400, 'unknown field "spec.predictor.logger.uri"'),
        ({"name": "9bbbd87b"}, 422, "spec.predictor.name in body should match '^[a-z]([-a-z0-9]*[a-z0-9])?$'"),
        ({"minReplicas": "one"}, 422, "spec.predictor.minReplicas in body must be of type integer"),
        ({"containers": [{"name": "kserve-container"}]}, 403, "exactly one of"),
        ({"minReplicas": 3, "maxReplicas": 2}, 403, "'MinReplicas' cannot be greater than MaxReplicas"),
        ({"logger": {"url": "http://logs"}}, 403, "invalid logger type"),
        ({"scaleMetric": "cpu"}, 403, "[cpu] is not a supported metric"),
    ],
)
def test_wrong_fields_are_refused(installed: Installation, predictor: dict[str, Any], code: int, message: str) -> None:
    error = refused(installed.admin, isvc(**predictor))
    assert (error.code, error.message.startswith(WEBHOOK)) == (code, code == 403)
    assert message in error.message


@pytest.mark.parametrize(("name", "code"), [("Flights", 422), ("flights_1", 422), ("1-flights", 403)])
def test_names_are_checked(installed: Installation, name: str, code: int) -> None:
    item = isvc()
    item["metadata"]["name"] = name
    assert refused(installed.admin, item).code == code


def nameless(model: str, percent: int) -> dict[str, Any]:
    given = canary(model, "", percent)
    del given["predictor"]["name"]
    return given


@pytest.mark.parametrize(
    ("canaries", "annotations", "message"),
    [
        ([canary("second", "new", 10)], {}, "canary is only supported in Standard deployment mode"),
        ([nameless("second", 10)], STANDARD, "canary[0] predictor.name is required"),
        ([canary("second", "new", 10), canary("first", "new", 10)], STANDARD, "is duplicated"),
        ([canary("second", "a", 60), canary("first", "b", 60)], STANDARD, "sum of canary trafficPercent values (120) must be <= 100"),
        ([canary("second", "new", 10, maxReplicas=2)], STANDARD, "must not set maxReplicas"),
        ([canary("second", "new", 10, minReplicas=2)], STANDARD, "must not exceed stable predictor minReplicas (1)"),
    ],
)
def test_canaries_are_checked(installed: Installation, canaries: list[Any], annotations: dict[str, str], message: str) -> None:
    item = isvc(annotations=annotations)
    item["spec"]["canary"] = canaries
    error = refused(installed.admin, item)
    assert (error.code, error.message.startswith(WEBHOOK)) == (403, True)
    assert message in error.message


def test_a_canarys_name_begins_with_a_letter(installed: Installation) -> None:
    item = isvc(annotations=STANDARD)
    item["spec"]["canary"] = [canary("second", "9bbbd87b", 10)]
    assert "spec.canary[0].predictor.name in body should match" in refused(installed.admin, item).message


def test_the_webhook_fills_in_what_is_left_out(installed: Installation) -> None:
    made = try_out(installed.admin, isvc(annotations={"serving.kserve.io/deploymentMode": "RawDeployment"}))
    assert made["metadata"]["annotations"] == STANDARD | {"modelFormat": "tensorflow"}
    assert (made["spec"]["predictor"]["model"]["name"], made["spec"]["predictor"]["model"]["resources"]) == ("", {})


def test_a_change_is_checked_against_what_is_there(installed: Installation) -> None:
    api = installed.admin
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": "changes"}})
    path = INFERENCE_SERVICES.format("changes")
    made = api.call("POST", path, isvc(annotations=STANDARD) | {"metadata": {"name": "flights", "annotations": STANDARD}})
    api.call("PUT", f"{path}/flights/status", made | {"status": {"deploymentMode": "Standard"}})
    for change, message in (
        ({"spec": {"predictor": {"name": "other"}}}, "predictor.name change requires a model change"),
        (
            {"metadata": {"annotations": {"serving.kserve.io/deploymentMode": "Knative"}}},
            "deploymentMode cannot be changed from 'Standard' to 'Knative'",
        ),
    ):
        with pytest.raises(ApiError, match=message):
            api.call("PATCH", f"{path}/flights", change, content="application/merge-patch+json")


@pytest.mark.parametrize(
    "kind",
    [
        "serving.kserve.io/v1alpha1/servingruntimes",
        "gateway.networking.k8s.io/v1/httproutes",
        "serving.knative.dev/v1/services",
        "serving.knative.dev/v1/revisions",
        "argoproj.io/v1alpha1/workflows",
    ],
)
def test_what_kserve_stands_on_is_defined(installed: Installation, kind: str) -> None:
    group, version, plural = kind.split("/")
    assert installed.admin.call("GET", f"/apis/{group}/{version}/namespaces/default/{plural}")["items"] == []


def test_a_release_may_do_what_terraform_allows_and_nothing_else(installed: Installation) -> None:
    access = releasing(installed.admin, "rights", ("flights",))
    pusher = Api(installed.admin.url, installed.certificate, access.token)
    services, pods = INFERENCE_SERVICES.format("rights"), "/api/v1/namespaces/rights/pods"
    pusher.call("POST", services, isvc() | {"metadata": {"name": "flights"}})
    assert pusher.call("GET", f"{services}/flights")["metadata"]["name"] == "flights"
    assert pusher.call("GET", pods)["items"] == []
    user = 'User "system:serviceaccount:rights:penstock-pusher" cannot'
    for method, path, cannot in (
        ("GET", "/api/v1/namespaces/rights/secrets", 'list resource "secrets"'),
        ("GET", services, 'list resource "inferenceservices"'),
        ("DELETE", f"{services}/another-service", 'delete resource "inferenceservices"'),
        ("GET", INFERENCE_SERVICES.format("default") + "/flights", 'get resource "inferenceservices"'),
    ):
        with pytest.raises(ApiError) as caught:
            pusher.call(method, path)
        assert caught.value.code == 403
        assert f"{user} {cannot}" in caught.value.message
    access.deny(("list", "pods"))
    with pytest.raises(ApiError, match='cannot list resource "pods"'):
        pusher.call("GET", pods)

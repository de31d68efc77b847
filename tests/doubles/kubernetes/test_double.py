"""The double against the real clients, and against what KServe's source says that the real cluster does."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import urllib3
from kubernetes import client as kubernetes
from kubernetes import config, watch
from kubernetes.client.exceptions import ApiException

from ...waiting import until
from .client import PLACE, Client, answers, ask, canary, find, is_ready, isvc
from .double import KubernetesDouble
from .faults import Disconnect, Do, Fail, Fault, Hang, Kill, Slow
from .resources import AUTOSCALERS, HTTP_ROUTES
from .workload import Behavior

FIRST, SECOND = 0.14, 0.211
STANDARD = {"serving.kserve.io/deploymentMode": "Standard"}
TAGS = {"serving.kserve.io/enable-tag-routing": "true"}


def refused(act: Callable[[], Any]) -> tuple[int, str, str]:
    """Returns the code, the reason and the message with which something is refused."""
    with pytest.raises(ApiException) as caught:
        act()
    status = json.loads(caught.value.body)
    return caught.value.status, status["reason"], status["message"]


# The API.


def test_what_the_server_manages_is_the_servers(client: Client) -> None:
    made = client.create(isvc() | {"status": {"url": "http://mine"}})
    assert made["metadata"]["generation"] == 1
    assert {"uid", "resourceVersion", "creationTimestamp"} <= made["metadata"].keys()
    assert "status" not in made
    labeled = client.objects.patch_namespaced_custom_object(*PLACE, "flights", {"metadata": {"labels": {"a": "b"}}})
    assert labeled["metadata"]["generation"] == 1
    assert int(labeled["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    changed = client.patch({"predictor": {"minReplicas": 0}})
    assert changed["metadata"]["generation"] == 2
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]


def test_null_deletes_in_a_merge_patch(client: Client) -> None:
    client.create(isvc(canaryTrafficPercent=5))
    assert "canaryTrafficPercent" not in client.patch({"predictor": {"canaryTrafficPercent": None}})["spec"]["predictor"]


def test_a_write_needs_the_latest_version(client: Client) -> None:
    made = client.create(isvc())
    client.patch({"predictor": {"minReplicas": 2}})
    code, reason, message = refused(lambda: client.replace(made))
    assert (code, reason) == (409, "Conflict")
    assert "the object has been modified" in message
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    assert refused(lambda: client.objects.patch_namespaced_custom_object(*PLACE, "flights", stale))[0] == 409
    del made["metadata"]["resourceVersion"]
    code, reason, message = refused(lambda: client.replace(made))
    assert (code, reason) == (422, "Invalid")
    assert "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update" in message


def test_of_two_writers_at_the_same_moment_one_wins(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc())
    client.ready()
    mine, others = client.get(), client.get()
    mine["spec"]["predictor"]["minReplicas"], others["spec"]["predictor"]["minReplicas"] = 2, 3
    cluster.faults.append(Fault(Do(lambda call: client.replace(others)), when=lambda call: call.method == "PUT"))
    assert refused(lambda: client.replace(mine))[0] == 409
    assert client.get()["spec"]["predictor"]["minReplicas"] == 3


def test_there_is_one_of_a_name(client: Client) -> None:
    client.create(isvc())
    expected = 'inferenceservices.serving.kserve.io "flights" already exists'
    assert refused(lambda: client.create(isvc())) == (409, "AlreadyExists", expected)


def test_what_is_not_there_is_not_found(client: Client) -> None:
    assert refused(client.get) == (404, "NotFound", 'inferenceservices.serving.kserve.io "flights" not found')
    elsewhere = lambda: client.objects.create_namespaced_custom_object("serving.kserve.io", "v1beta1", "nowhere", PLACE[3], isvc())  # noqa: E731
    assert refused(elsewhere) == (404, "NotFound", 'namespaces "nowhere" not found')


def test_an_unknown_token_is_unauthorized(cluster: KubernetesDouble, client: Client) -> None:
    cluster.tokens.clear()
    assert refused(client.get) == (401, "Unauthorized", "Unauthorized")


def test_a_missing_permission_is_named(cluster: KubernetesDouble, client: Client) -> None:
    cluster.denied.add(("create", "inferenceservices"))
    code, reason, message = refused(lambda: client.create(isvc()))
    assert (code, reason) == (403, "Forbidden")
    assert 'cannot create resource "inferenceservices" in API group "serving.kserve.io" in the namespace "models"' in message


def test_verbs_and_bodies_that_are_none(cluster: KubernetesDouble) -> None:
    collection = f"{cluster.url}/apis/serving.kserve.io/v1beta1/namespaces/models/inferenceservices"
    headers = {"Authorization": "Bearer penstock-token"}
    with httpx.Client(headers=headers, trust_env=False) as http:
        assert http.put(collection, json=isvc()).status_code == 405
        assert http.post(collection, json=isvc()).status_code == 201
        as_yaml = http.patch(f"{collection}/flights", content="{}", headers={"Content-Type": "application/yaml"})
        assert (as_yaml.status_code, as_yaml.json()["reason"]) == (415, "UnsupportedMediaType")
        assert http.post(collection, content="nothing").status_code == 400


def test_unknown_fields_are_dropped_for_whoever_asks_for_that(client: Client) -> None:
    made = client.create(isvc(minReplica=1), field_validation="Warn")
    assert "minReplica" not in made["spec"]["predictor"]


def test_a_watch_tells_what_happens_and_ends(client: Client) -> None:
    since = client.objects.list_namespaced_custom_object(*PLACE)["metadata"]["resourceVersion"]
    client.create(isvc())
    started = time.monotonic()
    stream = watch.Watch().stream(client.objects.list_namespaced_custom_object, *PLACE, resource_version=since, timeout_seconds=1)
    events = [(event["type"], event["object"]["metadata"]["name"]) for event in stream]
    assert events[0] == ("ADDED", "flights")
    assert ("MODIFIED", "flights") in events  # the controller's status
    assert 0.9 < time.monotonic() - started < 10


def test_a_watch_from_too_long_ago_is_gone(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc())
    cluster.forget()
    options = {"resource_version": "1", "timeout_seconds": 2, "watch": True, "_preload_content": False}
    event = json.loads(client.objects.list_namespaced_custom_object(*PLACE, **options).data)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_a_deleted_service_takes_its_pods_along(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc())
    url = client.ready()["url"]
    client.kserve.delete("flights", "models")
    deadline = time.monotonic() + 10
    while cluster.isvc("flights") or client.core.list_namespaced_pod("models").items:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ask(url).status_code == 404


# What goes wrong.


@pytest.mark.parametrize("code", [401, 403, 404, 409, 410, 422, 429, 500, 503])
def test_any_call_can_be_answered_with_any_error(cluster: KubernetesDouble, client: Client, code: int) -> None:
    cluster.faults.append(Fault(Fail(code), nth=2))
    client.create(isvc())
    assert refused(client.get)[0] == code
    assert client.get()["metadata"]["name"] == "flights"
    assert [call.code for call in cluster.calls] == [201, code, 200]


def test_a_write_can_be_applied_though_it_is_answered_with_an_error(cluster: KubernetesDouble, client: Client) -> None:
    cluster.faults.append(Fault(Fail(504, applied=True), when=lambda call: call.method == "POST"))
    assert refused(lambda: client.create(isvc()))[0] == 504
    assert cluster.isvc("flights")


def test_a_call_can_be_slow_hang_or_get_no_answer(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc())
    get = client.objects.get_namespaced_custom_object
    cluster.faults += [Fault(Slow(0.5)), Fault(Hang()), Fault(Disconnect(applied=True))]
    started = time.monotonic()
    get(*PLACE, "flights")
    assert time.monotonic() - started > 0.5
    for _ in range(2):
        with pytest.raises(urllib3.exceptions.HTTPError):
            kubernetes.CustomObjectsApi(_without_retries()).get_namespaced_custom_object(*PLACE, "flights", _request_timeout=0.5)


def _without_retries() -> kubernetes.ApiClient:
    configuration = kubernetes.Configuration.get_default_copy()
    configuration.retries = False
    return kubernetes.ApiClient(configuration)


def test_a_cluster_can_refuse_connections_for_a_while(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc())
    with cluster.refusing(), pytest.raises(urllib3.exceptions.HTTPError):
        kubernetes.CustomObjectsApi(_without_retries()).get_namespaced_custom_object(*PLACE, "flights", _request_timeout=2)
    assert client.get()["metadata"]["name"] == "flights"


@pytest.mark.parametrize("applied", [False, True])
def test_a_caller_can_be_killed_before_or_after_its_call_is_applied(cluster: KubernetesDouble, tmp_path: Path, applied: bool) -> None:
    script = (
        "import sys; from kubernetes import client, config; config.load_kube_config(sys.argv[1]); "
        "client.CoreV1Api().create_namespaced_config_map('models', {'metadata': {'name': 'mark'}})"
    )
    running: list[subprocess.Popen[bytes]] = []
    cluster.faults.append(Fault(Kill(lambda: running[0].kill(), applied=applied)))
    running.append(subprocess.Popen([sys.executable, "-c", script, str(cluster.write_kubeconfig(tmp_path / "kubeconfig"))]))
    assert running[0].wait(timeout=60) == -signal.SIGKILL
    config.load_kube_config_from_dict(cluster.kubeconfig())
    maps = kubernetes.CoreV1Api().list_namespaced_config_map("models").items
    assert [one.metadata.name for one in maps] == (["mark"] if applied else [])


# Knative mode.


def test_a_first_revision_takes_all_traffic_whatever_the_canary_says(client: Client) -> None:
    client.create(isvc(canaryTrafficPercent=5))
    status = client.ready()
    predictor = status["components"]["predictor"]
    names = {predictor[key] for key in ("latestCreatedRevision", "latestReadyRevision", "latestRolledoutRevision")}
    assert names == {"flights-predictor-00001"}
    assert predictor["traffic"][0]["percent"] in (5, 100)  # 5 of the same revision, once it is rolled out
    assert answers(status["url"], 4) == [FIRST] * 4


def test_a_canary_gets_its_share_and_promotion_is_to_remove_it(client: Client) -> None:
    client.create(isvc(annotations=TAGS))
    url = client.ready()["url"]
    client.patch({"predictor": {"canaryTrafficPercent": 25, "model": {"storageUri": "gs://bucket/second"}}})
    status = client.revision_ready(2)
    latest, previous = status["components"]["predictor"]["traffic"]
    assert (latest["percent"], latest["tag"], previous["percent"], previous["tag"]) == (25, "latest", 75, "prev")
    assert (answers(latest["url"]), answers(previous["url"])) == ([SECOND], [FIRST])
    assert sorted(answers(url, 8)) == [FIRST] * 6 + [SECOND] * 2
    client.patch({"predictor": {"canaryTrafficPercent": None}})
    client.wait(lambda status: status["components"]["predictor"]["latestRolledoutRevision"] == "flights-predictor-00002")
    assert client.get()["status"]["components"]["predictor"]["previousRolledoutRevision"] == "flights-predictor-00001"
    assert answers(url, 4) == [SECOND] * 4


def test_a_share_of_0_is_a_rollback(client: Client) -> None:
    client.create(isvc())
    url = client.ready()["url"]
    client.patch({"predictor": {"canaryTrafficPercent": 50, "model": {"storageUri": "gs://bucket/second"}}})
    client.revision_ready(2)
    client.patch({"predictor": {"canaryTrafficPercent": 0}})
    client.wait(lambda status: status["components"]["predictor"]["traffic"][0]["percent"] == 0)
    assert answers(url, 4) == [FIRST] * 4


def test_an_annotation_is_part_of_the_pods_and_makes_a_revision(client: Client) -> None:
    client.create(isvc())
    client.ready()
    client.objects.patch_namespaced_custom_object(*PLACE, "flights", {"metadata": {"annotations": {"mine": "new"}}})
    assert client.revision_ready(2)["observedGeneration"] == 2
    assert client.get()["metadata"]["generation"] == 1


def test_ready_is_late(cluster: KubernetesDouble, client: Client) -> None:
    cluster.behaviors.append(Behavior("first", ready_after=1.0))
    started = time.monotonic()
    client.create(isvc())
    assert is_ready(client.wait(lambda status: True)) == "Unknown"
    client.ready()
    assert time.monotonic() - started >= 1.0


def test_ready_is_stale_after_a_change(cluster: KubernetesDouble, client: Client) -> None:
    cluster.behaviors.append(Behavior("second", stale_for=0.5))
    client.create(isvc())
    client.ready()
    client.patch({"predictor": {"model": {"storageUri": "gs://bucket/second"}}})
    item = client.get()
    assert (is_ready(item["status"]), item["status"]["observedGeneration"], item["metadata"]["generation"]) == ("True", 1, 2)
    assert client.revision_ready(2)["observedGeneration"] == 2


@pytest.mark.parametrize(
    ("behavior", "model", "reason", "message"),
    [
        (Behavior("second", pull_failure=True), "second", "ImagePullBackOff", "Back-off pulling image"),
        (Behavior("second", crash="out of memory"), "second", "CrashLoopBackOff", "out of memory"),
        (Behavior(), "broken", "CrashLoopBackOff", ""),
        (Behavior(), "missing", "CrashLoopBackOff", "Failed to fetch model. No model found in gs://bucket/missing."),
    ],
)
def test_a_broken_revision_says_why_and_the_old_one_goes_on(
    cluster: KubernetesDouble, client: Client, behavior: Behavior, model: str, reason: str, message: str
) -> None:
    cluster.behaviors.append(behavior)
    client.create(isvc())
    url = client.ready()["url"]
    client.patch({"predictor": {"model": {"storageUri": f"gs://bucket/{model}"}}})
    status = client.wait(lambda status: find(status, "Ready").get("reason") == "RevisionFailed")
    assert 'Revision "flights-predictor-00002" failed with message: ' in find(status, "Ready")["message"]
    assert message in find(status, "LatestDeploymentReady").get("message", "") or message in find(status, "Ready")["message"]
    assert status["components"]["predictor"]["latestReadyRevision"] == "flights-predictor-00001"
    pods = client.core.list_namespaced_pod("models", label_selector="serving.knative.dev/revision=flights-predictor-00002").items
    states = [one.state.waiting for one in [*pods[0].status.container_statuses, *pods[0].status.init_container_statuses] if one.state]
    assert reason in [state.reason for state in states if state]
    assert answers(url, 2) == [FIRST] * 2


def test_an_image_without_an_entry_point_takes_its_first_argument_for_a_command(cluster: KubernetesDouble, client: Client) -> None:
    container = {
        "name": "kserve-container",
        "image": "ghcr.io/penstock/penstock-serve:1",
        "args": ["--model_name", "flights"],
        "env": [{"name": "STORAGE_URI", "value": "gs://bucket/first"}],
    }
    client.create(isvc() | {"spec": {"predictor": {"containers": [container]}}})
    client.wait(lambda status: find(status, "Ready").get("reason") == "RevisionFailed")
    (pod,) = client.core.list_namespaced_pod("models").items
    (state,) = pod.status.container_statuses
    assert (state.state.waiting.reason, state.last_state.terminated.exit_code) == ("CrashLoopBackOff", 128)
    assert 'exec: "--model_name": executable file not found in $PATH' in state.last_state.terminated.message
    client.patch({"predictor": {"containers": [container | {"command": ["python", "-m", "penstock.server"]}]}})
    client.ready()


def test_ready_is_true_on_a_broken_revision(cluster: KubernetesDouble, client: Client) -> None:
    cluster.behaviors.append(Behavior("second", crash="no", ready_though_broken=True))
    client.create(isvc())
    client.ready()
    client.patch({"predictor": {"model": {"storageUri": "gs://bucket/second"}}})
    status = client.wait(lambda status: status["components"]["predictor"]["latestCreatedRevision"] == "flights-predictor-00002")
    assert is_ready(status) == "True"
    assert status["components"]["predictor"]["latestReadyRevision"] == "flights-predictor-00001"


# Standard mode.


def test_a_canary_is_a_deployment_of_its_own(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc(annotations=STANDARD))
    status = client.ready()
    client.patch({"canary": [canary("second", "new", 0, minReplicas=1)]})
    status = client.wait(lambda status: canary_of(status)[:2] == ("new", True))
    assert canary_of(status) == ("new", True, 0)
    assert status["observedGeneration"] == 1
    assert client.get()["metadata"]["generation"] == 2
    assert find(status, "CanaryPredictorReady")["status"] == "True"
    assert answers(status["url"], 4) == [FIRST] * 4
    proxy = f"{cluster.url}/api/v1/namespaces/models/services/flights-new-predictor:80/proxy/v1/models/flights:predict"
    headers = {"Authorization": "Bearer penstock-token"}
    answer = httpx.post(proxy, json={"instances": [{"distance": 100.0, "carrier": "AA", "month": 1}]}, headers=headers, trust_env=False)
    assert round(answer.json()["predictions"][0][0], 3) == SECOND
    client.patch({"canary": [canary("second", "new", 25)]})
    client.wait(lambda status: status["canaryStatuses"][0]["trafficPercent"] == 25)
    assert sorted(answers(status["url"], 8)) == [FIRST] * 6 + [SECOND] * 2
    weights = {"flights-predictor": 75, "flights-new-predictor": 25}
    assert backends(cluster) == {"flights": weights, "flights-predictor": weights}


def canary_of(status: dict[str, Any]) -> tuple[Any, ...]:
    """Returns what a status says of its canary."""
    (found,) = status.get("canaryStatuses") or [{}]
    return tuple(found.get(field) for field in ("name", "ready", "trafficPercent"))


def backends(cluster: KubernetesDouble) -> dict[str, dict[str, int]]:
    """Returns the weights of the Services behind each HTTPRoute."""
    routes = cluster.store.list(HTTP_ROUTES, "models")
    return {route["metadata"]["name"]: {one["name"]: one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]} for route in routes}


def test_kserve_0_20_0_says_that_it_splits_traffic_and_does_not(cluster: KubernetesDouble, client: Client) -> None:
    cluster.play(kserve="0.20.0")
    client.create(isvc(annotations=STANDARD, name="old"))
    url = client.ready()["url"]
    client.patch({"canary": [canary("second", "new", 50)]})
    client.wait(lambda status: canary_of(status) == ("new", True, 50))
    assert backends(cluster) == {name: {"flights-old-predictor": 1} for name in ("flights", "flights-old-predictor")}
    assert answers(url, 4) == [FIRST] * 4
    client.patch({"predictor": canary("second", "new", 0)["predictor"], "canary": None})
    client.wait(lambda status: "canaryStatuses" not in status)
    assert answers(url, 4) == [SECOND] * 4
    assert set(backends(cluster)) == {"flights", "flights-old-predictor", "flights-new-predictor"}, "the old one is never removed"
    scaled = cluster.store.list(AUTOSCALERS, "models")
    assert {one["metadata"]["name"] for one in scaled} == {"flights-old-predictor", "flights-new-predictor"}


@pytest.mark.parametrize(("scaling", "pods"), [("hpa", 1), ("none", 0)])
def test_a_canary_without_replicas_of_its_own_has_those_of_its_share(client: Client, scaling: str, pods: int) -> None:
    client.create(isvc(annotations=STANDARD | {"serving.kserve.io/autoscalerClass": scaling}))
    client.ready()
    client.patch({"canary": [canary("second", "new", 0)]})
    client.wait(lambda status: canary_of(status) == ("new", bool(pods), 0))
    deployment = client.kserve.app_api.read_namespaced_deployment("flights-new-predictor", "models")
    assert deployment.spec.replicas == pods


def test_an_autoscaler_raises_the_pods_to_the_fewest_and_the_predictor_lacks_those_of_the_canaries(
    cluster: KubernetesDouble, client: Client
) -> None:
    client.create(isvc(annotations=STANDARD, minReplicas=3))
    client.ready()
    client.patch({"canary": [canary("second", "new", 50)]})
    client.wait(lambda status: canary_of(status) == ("new", True, 50))
    wanted = {"flights-predictor": 1, "flights-new-predictor": 2}
    fewest = lambda: {one["metadata"]["name"]: one["spec"]["minReplicas"] for one in cluster.store.list(AUTOSCALERS, "models")}  # noqa: E731
    until(lambda: fewest() == wanted)
    read = client.kserve.app_api.read_namespaced_deployment
    until(lambda: read("flights-new-predictor", "models").status.available_replicas == 2)


def test_ready_stays_true_while_a_changed_predictor_crashes_and_only_the_deployment_tells(
    cluster: KubernetesDouble, client: Client
) -> None:
    cluster.behaviors.append(Behavior("second", crash="no"))
    client.create(isvc(annotations=STANDARD))
    client.ready()
    client.patch({"predictor": {"model": {"storageUri": "gs://bucket/second"}}})
    status = client.wait(lambda status: status["observedGeneration"] == 2)
    assert (is_ready(status), find(status, "PredictorReady")["reason"]) == ("True", "MinimumReplicasAvailable")

    def told() -> tuple[int, ...]:
        found = client.kserve.app_api.read_namespaced_deployment("flights-predictor", "models").status
        return found.observed_generation, found.replicas, found.updated_replicas, found.available_replicas

    until(lambda: told() == (2, 2, 1, 1))
    assert is_ready(client.get()["status"]) == "True"


def test_requests_are_lost_when_a_canary_with_traffic_is_removed(client: Client) -> None:
    client.create(isvc(annotations=STANDARD))
    url = client.ready()["url"]
    client.patch({"canary": [canary("second", "new", 50)]})
    client.wait(lambda status: canary_of(status) == ("new", True, 50))
    client.patch({"canary": None})
    until(lambda: ask(url).status_code == 503)
    client.wait(lambda status: "canaryStatuses" not in status)
    assert {ask(url).status_code for _ in range(4)} == {200}


def test_errors_before_anything_is_made_are_events_only(cluster: KubernetesDouble, client: Client) -> None:
    made = isvc(annotations=STANDARD)
    made["spec"]["predictor"]["model"]["storageUri"] = "ftp://bucket/first"
    client.create(made)
    status = client.wait(lambda status: "conditions" in status)
    assert find(status, "Ready") == {
        "type": "Ready",
        "status": "Unknown",
        "lastTransitionTime": find(status, "Ready")["lastTransitionTime"],
    }
    told = lambda: client.core.list_namespaced_event("models", field_selector="involvedObject.name=flights").items  # noqa: E731
    until(lambda: [one.count > 3 for one in told()] == [True])  # it is tried again, later each time
    (event,) = told()
    assert (event.reason, event.type) == ("InternalError", "Warning")
    assert "StorageURI not supported" in event.message


def test_an_unknown_mode_is_taken_and_told(client: Client) -> None:
    client.create(isvc(annotations={"serving.kserve.io/deploymentMode": "Foo"}))
    status = client.wait(lambda status: find(status, "PredictorReady").get("reason") == "ReconcileFailed")
    assert find(status, "PredictorReady")["message"] == "unsupported deployment mode for workload: Foo"
    assert status["deploymentMode"] == "Standard"


def test_a_stopped_service_has_nothing_and_comes_back(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc(annotations=STANDARD))
    client.ready()
    annotate = lambda value: {"metadata": {"annotations": {"serving.kserve.io/stop": value}}}  # noqa: E731
    client.objects.patch_namespaced_custom_object(*PLACE, "flights", annotate("true"))
    status = client.wait(lambda status: is_ready(status) == "False")
    assert (find(status, "Ready")["reason"], find(status, "Stopped")["status"]) == ("Stopped", "True")
    assert "url" not in status
    assert client.kserve.app_api.list_namespaced_deployment("models").items == []
    client.objects.patch_namespaced_custom_object(*PLACE, "flights", annotate(None))
    assert client.ready()["observedGeneration"] == 1


def test_resources_are_given_to_the_predictor_and_to_no_canary(client: Client) -> None:
    container = {"name": "x", "image": "y", "env": [{"name": "STORAGE_URI", "value": "gs://bucket/first"}]}
    other = container | {"env": [{"name": "STORAGE_URI", "value": "gs://bucket/second"}]}
    made = isvc(annotations=STANDARD)
    made["spec"] = {
        "predictor": {"containers": [container]},
        "canary": [{"trafficPercent": 0, "predictor": {"name": "new", "containers": [other]}}],
    }
    spec = client.create(made)["spec"]
    filled = {"cpu": "1", "memory": "2Gi"}
    assert spec["predictor"]["containers"][0]["resources"] == {"requests": filled, "limits": filled}
    assert spec["canary"][0]["predictor"]["containers"][0].get("resources", {}) == {}


def test_promotion_gives_the_canary_the_place_of_the_predictor_and_restarts_nothing(client: Client) -> None:
    client.create(isvc(annotations=STANDARD))
    url = client.ready()["url"]
    client.patch({"canary": [canary("second", "new", 100)]})
    client.wait(lambda status: (status.get("canaryStatuses") or [{}])[0].get("ready") is True)
    pods = {pod.metadata.name for pod in client.core.list_namespaced_pod("models").items}
    new = canary("second", "new", 100)["predictor"]
    client.patch({"predictor": new, "canary": None})
    client.wait(lambda status: "canaryStatuses" not in status)
    assert answers(url, 4) == [SECOND] * 4
    deployments = client.kserve.app_api.list_namespaced_deployment("models").items
    assert all(one.status.observed_generation == one.metadata.generation for one in deployments)
    assert [one.metadata.name for one in deployments] == ["flights-new-predictor"]
    assert {pod.metadata.name for pod in client.core.list_namespaced_pod("models").items} < pods


def test_a_name_changes_only_with_the_model(client: Client) -> None:
    client.create(isvc(annotations=STANDARD))
    client.ready()
    message = refused(lambda: client.patch({"predictor": {"name": "other"}}))[2]
    assert "predictor.name change requires a model change" in message
    other_mode = {"metadata": {"annotations": {"serving.kserve.io/deploymentMode": "Knative"}}}
    message = refused(lambda: client.objects.patch_namespaced_custom_object(*PLACE, "flights", other_mode))[2]
    assert "deploymentMode cannot be changed from 'Standard' to 'Knative'" in message


def test_a_share_is_ignored_and_old_pods_go_on_until_the_new_ones_are_ready(cluster: KubernetesDouble, client: Client) -> None:
    cluster.progress_deadline = 1.0
    client.create(isvc(annotations=STANDARD, canaryTrafficPercent=10))
    url = client.ready()["url"]
    client.patch({"predictor": {"model": {"storageUri": "gs://bucket/second"}}})
    client.wait(lambda status: status["observedGeneration"] == 2)
    deadline = time.monotonic() + 30
    while answers(url) != [SECOND]:
        assert time.monotonic() < deadline
    assert answers(url, 4) == [SECOND] * 4
    client.patch({"predictor": {"model": {"storageUri": "gs://bucket/missing"}}})
    status = client.wait(lambda status: find(status, "Ready").get("reason") == "ProgressDeadlineExceeded")
    assert "has timed out progressing." in find(status, "Ready")["message"]
    assert answers(url, 4) == [SECOND] * 4


def test_a_quota_keeps_pods_out(cluster: KubernetesDouble, client: Client) -> None:
    cluster.behaviors.append(Behavior(quota="exceeded quota: compute, requested: cpu=4, used: cpu=8, limited: cpu=8"))
    client.create(isvc(annotations=STANDARD))
    status = client.wait(lambda status: find(status, "PredictorReady").get("reason") == "FailedCreate")
    assert "exceeded quota: compute" in find(status, "Ready")["message"]
    conditions = client.kserve.app_api.read_namespaced_deployment("flights-predictor", "models").status.conditions
    assert ("ReplicaFailure", "True") in [(one.type, one.status) for one in conditions]


# Behind the URLs.


def test_predictions_can_fail_and_be_late_and_the_metrics_count_from_the_start_of_the_pods(
    cluster: KubernetesDouble, client: Client
) -> None:
    behavior = Behavior()
    cluster.behaviors.append(behavior)
    client.create(isvc())
    url = client.ready()["url"]
    assert answers(url, 3) == [FIRST] * 3
    behavior.fails, behavior.delay = 0.5, 0.1
    started = time.monotonic()
    assert sorted(ask(url).status_code for _ in range(4)) == [200, 200, 500, 500]
    assert time.monotonic() - started > 0.4
    lines = [line for line in httpx.get(f"{url}/metrics", trust_env=False).text.splitlines() if line.startswith("penstock_requests_total")]
    counted = {code: sum(float(line.split()[-1]) for line in lines if f'code="{code}"' in line) for code in (200, 500)}
    assert counted == {200: 5, 500: 2}


def test_other_bytes_can_be_served_than_were_stored(cluster: KubernetesDouble, client: Client, models: dict[str, Path]) -> None:
    cluster.behaviors.append(Behavior("second", serves=models["gs://bucket/first"], from_percent=50))
    client.create(isvc())
    url = client.ready()["url"]
    client.patch({"predictor": {"canaryTrafficPercent": 20, "model": {"storageUri": "gs://bucket/second"}}})
    client.revision_ready(2)
    assert sorted(answers(url, 5)) == [FIRST] * 4 + [SECOND]
    client.patch({"predictor": {"canaryTrafficPercent": 50}})
    client.wait(lambda status: status["components"]["predictor"]["traffic"][0]["percent"] == 50)
    assert answers(url, 4) == [FIRST] * 4


def test_hosts_are_answered_as_an_ingress_does(model_servers: Any, models: dict[str, Path]) -> None:
    with KubernetesDouble(model_servers, models, domain="example.com") as cluster:
        client = Client(cluster)
        client.create(isvc())
        assert client.ready()["url"] == "http://flights.models.example.com"
        headers = {"Host": "flights.models.example.com"}
        assert httpx.get(f"{cluster.url}/v2/models/flights/ready", headers=headers, trust_env=False).status_code == 200


MODES = pytest.mark.parametrize("annotations", [STANDARD, TAGS], ids=["Standard", "Knative"])


@MODES
def test_the_gateway_follows_later_than_the_status(cluster: KubernetesDouble, client: Client, annotations: dict[str, str]) -> None:
    client.create(isvc(annotations=annotations))
    url = client.ready()["url"]
    client.patch({"predictor": {"model": {"storageUri": "gs://bucket/second"}}})
    _wait_for_answer(url, SECOND)
    cluster.lag = 1.5
    changed = time.monotonic()
    client.patch({"predictor": {"model": {"storageUri": "gs://bucket/first"}}})
    _wait_for_answer(url, FIRST)
    assert time.monotonic() - changed > 1.5


def _wait_for_answer(url: str, wanted: float) -> None:
    """Waits until a model answers; while a gateway still leads to pods that are gone there is no answer."""

    def has_answered() -> bool:
        with suppress(ValueError):
            return answers(url) == [wanted]
        return False

    until(has_answered)


@MODES
def test_the_gateway_has_no_route_for_the_name_of_a_service_which_leads_there_in_the_cluster(
    cluster: KubernetesDouble, client: Client, annotations: dict[str, str]
) -> None:
    client.create(isvc(annotations=annotations))
    name = client.ready()["address"]["url"]
    assert name == "http://flights-predictor.models.svc.cluster.local"
    headers = {"Host": name.removeprefix("http://")}
    assert httpx.get(f"{cluster.url}/v2/models/flights/ready", headers=headers, trust_env=False).status_code == 404
    assert httpx.get(f"{name}/v2/models/flights/ready", proxy=cluster.url).status_code == 200


@MODES
def test_the_api_server_reaches_what_has_endpoints(cluster: KubernetesDouble, client: Client, annotations: dict[str, str]) -> None:
    client.create(isvc(annotations=annotations))
    client.ready()

    def proxied(service: str) -> int:
        path = f"/api/v1/namespaces/models/services/{service}:80/proxy/v2/models/flights/ready"
        return httpx.get(f"{cluster.url}{path}", headers={"Authorization": "Bearer penstock-token"}, trust_env=False).status_code

    is_standard = annotations is STANDARD
    revision = "flights-predictor-00001"
    found = [proxied(service) for service in ("flights-predictor", revision, f"{revision}-private", "latest-flights-predictor")]
    assert found == ([200, 503, 503, 503] if is_standard else [503, 503, 200, 503])


def test_a_route_of_kserves_own_has_one_label_before_the_domain(model_servers: Any, models: dict[str, Path]) -> None:
    with KubernetesDouble(model_servers, models, domain="example.com") as cluster:
        client = Client(cluster)
        client.create(isvc(annotations=STANDARD))
        assert client.ready()["url"] == "http://flights-models.example.com"
        headers = {"Host": "flights-models.example.com"}
        assert httpx.get(f"{cluster.url}/v2/models/flights/ready", headers=headers, trust_env=False).status_code == 200


def test_it_runs_in_a_process_of_its_own(tmp_path: Path, models: dict[str, Path]) -> None:
    (tmp_path / "storage.json").write_text(json.dumps({uri: str(folder) for uri, folder in models.items()}))
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(root)])}
    command = [sys.executable, "-m", "tests.doubles.kubernetes", "--state", str(tmp_path), "--namespace", "other"]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        config.load_kube_config(str(tmp_path / "kubeconfig"))
        names = {item.metadata.name for item in kubernetes.CoreV1Api().list_namespace().items}
        process.terminate()
        assert process.wait(timeout=30) == 0
    assert names == {"default", "models", "other"}
    assert not (tmp_path / "kubeconfig").exists()

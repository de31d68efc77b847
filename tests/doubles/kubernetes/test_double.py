"""The double against the real clients, and against what KServe's source says that the real cluster does."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import urllib3
from kubernetes import client as kubernetes
from kubernetes import config, watch
from kubernetes.client.exceptions import ApiException

from ...apiserver.api import ApiError
from ...apiserver.server import ADMIN_TOKEN
from ...waiting import until
from .client import Client, answers, ask, canary, find, is_ready, isvc
from .double import KubernetesDouble
from .faults import Disconnect, Do, Fail, Fault, Hang, Kill, Slow
from .installation import installation
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


def test_what_terraform_does_not_allow_is_refused(cluster: KubernetesDouble) -> None:
    config.load_kube_config_from_dict(cluster.kubeconfig())
    core, objects = kubernetes.CoreV1Api(), kubernetes.CustomObjectsApi()
    assert core.list_namespaced_pod(cluster.namespace).items == []
    place = ("serving.kserve.io", "v1beta1", cluster.namespace, "inferenceservices")
    user = f'User "system:serviceaccount:{cluster.namespace}:penstock-pusher" cannot'
    for act, cannot in (
        (lambda: core.list_namespaced_secret(cluster.namespace), 'list resource "secrets"'),
        (lambda: objects.delete_namespaced_custom_object(*place, "another-service"), 'delete resource "inferenceservices"'),
        (lambda: objects.patch_namespaced_custom_object(*place, "flights", {}), 'patch resource "inferenceservices"'),
    ):
        code, reason, message = refused(act)
        assert (code, reason) == (403, "Forbidden")
        assert f"{user} {cannot}" in message
    cluster.deny(("list", "pods"))
    assert 'cannot list resource "pods"' in refused(lambda: core.list_namespaced_pod(cluster.namespace))[2]


def test_a_watch_comes_through(client: Client) -> None:
    since = client.objects.list_namespaced_custom_object(*client.place)["metadata"]["resourceVersion"]
    client.create(isvc())
    stream = watch.Watch().stream(client.objects.list_namespaced_custom_object, *client.place, resource_version=since, timeout_seconds=1)
    events = [(event["type"], event["object"]["metadata"]["name"]) for event in stream]
    assert events[0] == ("ADDED", "flights")
    assert ("MODIFIED", "flights") in events  # the controller's status


def test_a_deleted_service_takes_its_pods_along(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc())
    url = client.ready()["url"]
    client.kserve.delete("flights", client.namespace)
    until(lambda: not cluster.isvc("flights") and not client.pods())
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
    get(*client.place, "flights")
    assert time.monotonic() - started > 0.5
    for _ in range(2):
        with pytest.raises(urllib3.exceptions.HTTPError):
            kubernetes.CustomObjectsApi(_without_retries()).get_namespaced_custom_object(*client.place, "flights", _request_timeout=0.5)


def _without_retries() -> kubernetes.ApiClient:
    configuration = kubernetes.Configuration.get_default_copy()
    configuration.retries = False
    return kubernetes.ApiClient(configuration)


def test_a_cluster_can_refuse_connections_for_a_while(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc())
    with cluster.refusing(), pytest.raises(urllib3.exceptions.HTTPError):
        kubernetes.CustomObjectsApi(_without_retries()).get_namespaced_custom_object(*client.place, "flights", _request_timeout=2)
    assert client.get()["metadata"]["name"] == "flights"


@pytest.mark.parametrize("applied", [False, True])
def test_a_caller_can_be_killed_before_or_after_its_call_is_applied(cluster: KubernetesDouble, tmp_path: Path, applied: bool) -> None:
    script = (
        "import sys; from kubernetes import client, config; config.load_kube_config(sys.argv[1]); "
        f"client.CoreV1Api().create_namespaced_config_map('{cluster.namespace}', {{'metadata': {{'name': 'mark'}}}})"
    )
    running: list[subprocess.Popen[bytes]] = []
    cluster.faults.append(Fault(Kill(lambda: running[0].kill(), applied=applied)))
    running.append(subprocess.Popen([sys.executable, "-c", script, str(cluster.write_kubeconfig(tmp_path / "kubeconfig", ADMIN_TOKEN))]))
    assert running[0].wait(timeout=60) == -signal.SIGKILL
    config.load_kube_config_from_dict(cluster.kubeconfig(ADMIN_TOKEN))
    maps = kubernetes.CoreV1Api().list_namespaced_config_map(cluster.namespace).items
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
    client.objects.patch_namespaced_custom_object(*client.place, "flights", {"metadata": {"annotations": {"mine": "new"}}})
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
    pods = client.pods("serving.knative.dev/revision=flights-predictor-00002")
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
    (pod,) = client.pods()
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
    proxy = f"{cluster.url}/api/v1/namespaces/{cluster.namespace}/services/flights-new-predictor:80/proxy/v1/models/flights:predict"
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
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
    routes = cluster.store.list(HTTP_ROUTES, cluster.namespace)
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
    scaled = cluster.store.list(AUTOSCALERS, client.namespace)
    assert {one["metadata"]["name"] for one in scaled} == {"flights-old-predictor", "flights-new-predictor"}


@pytest.mark.parametrize(("scaling", "pods"), [("hpa", 1), ("none", 0)])
def test_a_canary_without_replicas_of_its_own_has_those_of_its_share(client: Client, scaling: str, pods: int) -> None:
    client.create(isvc(annotations=STANDARD | {"serving.kserve.io/autoscalerClass": scaling}))
    client.ready()
    client.patch({"canary": [canary("second", "new", 0)]})
    client.wait(lambda status: canary_of(status) == ("new", bool(pods), 0))
    deployment = client.apps.read_namespaced_deployment("flights-new-predictor", client.namespace)
    assert deployment.spec.replicas == pods


def test_an_autoscaler_raises_the_pods_to_the_fewest_and_the_predictor_lacks_those_of_the_canaries(
    cluster: KubernetesDouble, client: Client
) -> None:
    client.create(isvc(annotations=STANDARD, minReplicas=3))
    client.ready()
    client.patch({"canary": [canary("second", "new", 50)]})
    client.wait(lambda status: canary_of(status) == ("new", True, 50))
    wanted = {"flights-predictor": 1, "flights-new-predictor": 2}
    fewest = lambda: {one["metadata"]["name"]: one["spec"]["minReplicas"] for one in cluster.store.list(AUTOSCALERS, client.namespace)}  # noqa: E731
    until(lambda: fewest() == wanted)
    read = client.apps.read_namespaced_deployment
    until(lambda: read("flights-new-predictor", client.namespace).status.available_replicas == 2)


def test_ready_stays_true_while_a_changed_predictor_crashes_and_only_the_deployment_tells(
    cluster: KubernetesDouble, client: Client
) -> None:
    cluster.behaviors.append(Behavior("second", crash="no"))
    client.create(isvc(annotations=STANDARD))
    client.ready()
    client.patch({"predictor": {"model": {"storageUri": "gs://bucket/second"}}})
    status = client.wait(lambda status: status["observedGeneration"] == 2)
    assert (is_ready(status), find(status, "PredictorReady")["reason"]) == ("True", "MinimumReplicasAvailable")

    def counts() -> tuple[int, ...]:
        found = client.apps.read_namespaced_deployment("flights-predictor", client.namespace).status
        return found.observed_generation, found.replicas, found.updated_replicas, found.available_replicas

    until(lambda: counts() == (2, 2, 1, 1))
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
    events = lambda: client.core.list_namespaced_event(client.namespace, field_selector="involvedObject.name=flights").items  # noqa: E731
    until(lambda: [one.count > 3 for one in events()] == [True])  # it is tried again, later each time
    (event,) = events()
    assert (event.reason, event.type) == ("InternalError", "Warning")
    assert "StorageURI not supported" in event.message


def test_an_unknown_mode_is_accepted_with_an_event(client: Client) -> None:
    client.create(isvc(annotations={"serving.kserve.io/deploymentMode": "Foo"}))
    status = client.wait(lambda status: find(status, "PredictorReady").get("reason") == "ReconcileFailed")
    assert find(status, "PredictorReady")["message"] == "unsupported deployment mode for workload: Foo"
    assert status["deploymentMode"] == "Standard"


def test_a_stopped_service_has_nothing_and_comes_back(cluster: KubernetesDouble, client: Client) -> None:
    client.create(isvc(annotations=STANDARD))
    client.ready()
    annotate = lambda value: {"metadata": {"annotations": {"serving.kserve.io/stop": value}}}  # noqa: E731
    client.objects.patch_namespaced_custom_object(*client.place, "flights", annotate("true"))
    status = client.wait(lambda status: is_ready(status) == "False")
    assert (find(status, "Ready")["reason"], find(status, "Stopped")["status"]) == ("Stopped", "True")
    assert "url" not in status
    assert client.apps.list_namespaced_deployment(client.namespace).items == []
    client.objects.patch_namespaced_custom_object(*client.place, "flights", annotate(None))
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
    pods = {pod.metadata.name for pod in client.pods()}
    new = canary("second", "new", 100)["predictor"]
    client.patch({"predictor": new, "canary": None})
    client.wait(lambda status: "canaryStatuses" not in status)
    assert answers(url, 4) == [SECOND] * 4
    deployments = client.apps.list_namespaced_deployment(client.namespace).items
    assert all(one.status.observed_generation == one.metadata.generation for one in deployments)
    assert [one.metadata.name for one in deployments] == ["flights-new-predictor"]
    assert {pod.metadata.name for pod in client.pods()} < pods


def test_a_name_changes_only_with_the_model(client: Client) -> None:
    client.create(isvc(annotations=STANDARD))
    client.ready()
    message = refused(lambda: client.patch({"predictor": {"name": "other"}}))[2]
    assert "predictor.name change requires a model change" in message
    other_mode = {"metadata": {"annotations": {"serving.kserve.io/deploymentMode": "Knative"}}}
    message = refused(lambda: client.objects.patch_namespaced_custom_object(*client.place, "flights", other_mode))[2]
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
        time.sleep(0.05)
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
    conditions = client.apps.read_namespaced_deployment("flights-predictor", client.namespace).status.conditions
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


def test_hosts_are_answered_as_an_ingress_does(kubernetes_api: None, model_servers: Any, models: dict[str, Path]) -> None:
    with KubernetesDouble(model_servers, models, domain="example.com") as cluster:
        client = Client(cluster)
        client.create(isvc())
        assert client.ready()["url"] == f"http://flights.{client.namespace}.example.com"
        headers = {"Host": f"flights.{client.namespace}.example.com"}
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
    assert name == f"http://flights-predictor.{client.namespace}.svc.cluster.local"
    headers = {"Host": name.removeprefix("http://")}
    assert httpx.get(f"{cluster.url}/v2/models/flights/ready", headers=headers, trust_env=False).status_code == 404
    assert httpx.get(f"{name}/v2/models/flights/ready", proxy=cluster.url).status_code == 200


@MODES
def test_the_api_server_reaches_what_has_endpoints(cluster: KubernetesDouble, client: Client, annotations: dict[str, str]) -> None:
    client.create(isvc(annotations=annotations))
    client.ready()

    def proxied(service: str) -> int:
        path = f"/api/v1/namespaces/{client.namespace}/services/{service}:80/proxy/v2/models/flights/ready"
        return httpx.get(f"{cluster.url}{path}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, trust_env=False).status_code

    is_standard = annotations is STANDARD
    revision = "flights-predictor-00001"
    found = [proxied(service) for service in ("flights-predictor", revision, f"{revision}-private", "latest-flights-predictor")]
    assert found == ([200, 503, 503, 503] if is_standard else [503, 503, 200, 503])


def test_a_route_of_kserves_own_has_one_label_before_the_domain(kubernetes_api: None, model_servers: Any, models: dict[str, Path]) -> None:
    with KubernetesDouble(model_servers, models, domain="example.com") as cluster:
        client = Client(cluster)
        client.create(isvc(annotations=STANDARD))
        assert client.ready()["url"] == f"http://flights-{client.namespace}.example.com"
        headers = {"Host": f"flights-{client.namespace}.example.com"}
        assert httpx.get(f"{cluster.url}/v2/models/flights/ready", headers=headers, trust_env=False).status_code == 200


# The double itself.


def test_the_controllers_outlive_what_the_api_refuses_and_lost_connections(
    kubernetes_api: None, model_servers: Any, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, namespace = installation().admin, ""
    lost = urllib3.exceptions.ProtocolError("Connection aborted.")
    every = [lost, *(ApiError(code, "", "") for code in (401, 403, 404, 409, 429, 500))]
    troubles = {"PUT": [*every], "POST": [*every], "GET": [*every], "watch": [lost, ApiError(410, "Expired", "")]}

    def troubled(kind: str, act: Callable[..., Any], path: str, *given: Any, **query: Any) -> Any:
        if namespace and f"/{namespace}/" in path and troubles[kind]:
            raise troubles[kind].pop()
        return act(path, *given, **query)

    call, follow = admin.call, admin.watch
    monkeypatch.setattr(admin, "call", lambda method, *given, **query: troubled(method, partial(call, method), *given, **query))
    monkeypatch.setattr(admin, "watch", lambda path, **query: troubled("watch", follow, path, **query))
    with KubernetesDouble(model_servers, models) as cluster:
        client, namespace = Client(cluster), cluster.namespace
        client.create(isvc(annotations=STANDARD))
        until(lambda: not any(troubles.values()))
        client.ready()


def _breaks_the_storage(_: str) -> Path:
    raise RuntimeError("broken storage")


@pytest.mark.parametrize(
    ("behavior", "storage", "fault", "reason"),
    [
        (None, {}, AttributeError, "'NoneType' object has no attribute 'match'"),
        (Behavior("first", unscheduled=5), {}, ApiError, "400 BadRequest"),  # type: ignore[arg-type]
        (Behavior("second"), _breaks_the_storage, RuntimeError, "broken storage"),
    ],
)
def test_a_waiting_client_gets_the_double_s_own_error(
    kubernetes_api: None, model_servers: Any, behavior: Any, storage: Any, fault: type[Exception], reason: str
) -> None:
    with pytest.raises(fault, match=reason), KubernetesDouble(model_servers, storage) as cluster:  # noqa: PT012
        client = Client(cluster)
        cluster.behaviors.append(behavior)
        client.create(isvc())
        with pytest.raises(fault, match=reason):
            client.ready()
        assert reason in refused(client.get)[2]


def test_a_fault_that_cannot_be_played_fails_the_test(kubernetes_api: None, model_servers: Any) -> None:
    with pytest.raises(KeyError, match="no such"), KubernetesDouble(model_servers, {}) as cluster:  # noqa: PT012
        cluster.faults.append(Fault(Do(lambda _: {}["no such"])))
        assert "no such" in refused(Client(cluster).get)[2]

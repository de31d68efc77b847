# ruff: noqa: F811 - tests take fixtures by their names
"""Standard mode, where an InferenceService's status is a promise: what a release does about what KServe does and does not do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from penstock.components.protocol import TaskError
from penstock.components.protocol.logs import configure_logging
from penstock.components.release.destinations import StepFailed
from penstock.components.release.rollout import Plan, go_back, roll_out

from .....doubles.kubernetes.faults import Call, Do, Fault
from .....doubles.kubernetes.resources import AUTOSCALERS, DEPLOYMENTS, EVENTS, HTTP_ROUTES, INFERENCE_SERVICES
from ..sites import again_and_again
from .test_destination import AT_ONCE, Site, cluster, site  # noqa: F401 - its fixtures

CANARY = Plan("canary", (50, 100), bake_seconds=0)
ONLY_STANDARD = pytest.mark.parametrize("mode", ["standard"])
_PAUSE = 0.02
BOTH = pytest.mark.parametrize("mode", ["knative", "standard"])


def push(site: Site, name: str, plan: Plan, **serving: Any) -> Any:
    with site.open(**serving) as destination:
        return roll_out(destination, site.model(name), site.release(name), plan)


def names(site: Site, resource: Any) -> set[str]:
    return {item["metadata"]["name"] for item in site.cluster.store.list(resource, site.cluster.namespace)}


@contextmanager
def asking(site: Site) -> Iterator[list[str]]:
    """Asks as clients do for as long as the block runs; gives what went wrong."""
    url = f"{site.cluster.url}/serving/{site.cluster.namespace}/flights/v1/models/flights:predict"
    instances, failed = site.release("first").probe["instances"], []
    with httpx.Client(trust_env=False, timeout=60) as client:

        def ask() -> None:
            answer = client.post(url, json={"instances": instances})
            if answer.is_error:
                failed.append(f"{answer.status_code} {answer.text}")

        with again_and_again(ask, _PAUSE):
            yield failed


@ONLY_STANDARD
def test_a_canary_is_refused_before_it_begins_where_kserve_splits_no_traffic(site: Site, mode: str):
    site.cluster.play(kserve="0.20.0")
    site.push("first")
    before = site.cluster.isvc("flights")["spec"]
    with pytest.raises(TaskError, match=r"splits no traffic in mode=standard.*as 0\.20\.0.*blue_green or replace.*mode=knative"):
        push(site, "second", CANARY)
    assert site.spec == before


@ONLY_STANDARD
def test_blue_green_and_back_lose_nothing_where_kserve_splits_no_traffic(site: Site, mode: str):
    site.cluster.play(kserve="0.20.0")
    site.push("first")
    with asking(site) as failed:
        assert push(site, "second", Plan("blue_green", bake_seconds=0)).outcome == "pushed"
        assert site.serves() == "second"
        with site.open() as destination:
            assert go_back(destination) == site.release("first")
        assert site.serves() == "first"
    assert failed == []


@ONLY_STANDARD
def test_what_kserve_leaves_behind_is_removed(site: Site, mode: str):
    site.cluster.play(kserve="0.20.0")
    for name in ("first", "second"):
        site.push(name)
    (service,) = names(site, DEPLOYMENTS)
    assert names(site, AUTOSCALERS) == {service}
    assert names(site, HTTP_ROUTES) == {"flights", service}


@ONLY_STANDARD
@pytest.mark.parametrize("kserve", ["0.20.0", "0.21.0"])
def test_what_kserve_leaves_behind_of_a_version_that_was_rolled_back_is_removed(site: Site, mode: str, kserve: str):
    site.cluster.play(kserve=kserve)
    site.push("first")
    there = names(site, AUTOSCALERS), names(site, HTTP_ROUTES)
    site.behaves("second", crash="no space left on device")
    assert site.push("second") == "rolled_back"
    assert (names(site, AUTOSCALERS), names(site, HTTP_ROUTES)) == there


@ONLY_STANDARD
def test_what_kserve_leaves_behind_is_reported_without_the_right_to_remove_it(
    site: Site,
    mode: str,
    capsys: pytest.CaptureFixture,
):
    configure_logging()
    site.cluster.deny(("list", "horizontalpodautoscalers"), ("delete", "httproutes"))
    site.cluster.play(kserve="0.20.0")
    for name in ("first", "second"):
        assert site.push(name) == "pushed"
    output = capsys.readouterr().out
    assert "unused resources of kind HorizontalPodAutoscaler" in output
    assert 'cannot delete resource "httproutes"' in output


@ONLY_STANDARD
def test_a_canary_has_its_replicas_before_its_share(site: Site, mode: str):
    serving = {"min_replicas": 2, "max_replicas": 4}
    push(site, "first", AT_ONCE, **serving)
    site.behaves("second", ready_after=0.5)
    had: dict[int, int] = {}

    def look() -> None:
        for canary in site.spec.get("canary", []):
            for deployment in site.cluster.store.list(DEPLOYMENTS, site.cluster.namespace):
                if canary["predictor"]["name"] in deployment["metadata"]["name"]:
                    had.setdefault(canary["trafficPercent"], deployment["status"].get("availableReplicas", 0))

    with again_and_again(look, _PAUSE):
        assert push(site, "second", CANARY, **serving).outcome == "pushed"
    had.pop(0, None)
    assert had == {50: 1, 100: 2}
    predictor = site.spec["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 4)


def fewest_pods(site: Site, name: str) -> int:
    """Returns how many pods the autoscaler of a predictor keeps at least."""
    (found,) = [one for one in site.cluster.store.list(AUTOSCALERS, site.cluster.namespace) if name in one["metadata"]["name"]]
    return int(found["spec"]["minReplicas"])


@ONLY_STANDARD
def test_what_had_to_ask_for_more_replicas_gets_its_own_numbers_back(site: Site, mode: str):
    push(site, "first", AT_ONCE, min_replicas=2)
    with site.open(min_replicas=3) as destination:
        site.stage(destination, "second")
        destination.shift(100)
        (kept,) = site.spec["canary"]
        assert kept["predictor"]["minReplicas"] == 2
        assert fewest_pods(site, site.spec["predictor"]["name"]) == 3, "what is kept warm beside it takes none of its pods away"
        assert go_back(destination) == site.release("first")
    assert site.spec["predictor"]["minReplicas"] == 2
    assert "canary" not in site.spec


@ONLY_STANDARD
def test_a_version_that_changes_under_its_name_is_ready_with_its_new_pods_only(site: Site, mode: str):
    """The model before is kept warm and released again, with another history: KServe says ready, for its old pods are."""
    site.push("first")
    with site.open() as destination:
        site.stage(destination, "second")
        destination.shift(100)
        site.behaves("first", crash="no space left on device")
        with pytest.raises(StepFailed, match=r"CrashLoopBackOff: no space left on device"):
            site.stage(destination, "first")


@ONLY_STANDARD
def test_a_share_goes_to_nothing_before_a_canary_is_replaced(site: Site, mode: str):
    site.push("first")
    with site.open() as destination:
        site.stage(destination, "second")
        destination.shift(50)
    with asking(site) as failed, site.open(cpu="2") as destination:
        site.stage(destination, "second")  # the same model, served in another way
    assert failed == []


@ONLY_STANDARD
def test_what_can_never_be_promoted_is_refused_before_it_is_staged(site: Site, mode: str):
    site.push("first")
    unmarked = {"spec": {"predictor": {"annotations": None}}}
    theirs = site.cluster.store.change(INFERENCE_SERVICES, site.cluster.namespace, "flights", unmarked)
    with (
        pytest.raises(TaskError, match=r"KServe does not promote a canary with the predictor's storageUri.*destination option storage"),
        site.open() as target,
    ):
        target.stage(site.model("first"), site.release("first"))
    assert site.spec == theirs["spec"]


@BOTH
def test_the_same_model_with_other_options_changes_nothing_and_is_reported(site: Site, mode: str, capsys: pytest.CaptureFixture):
    """In mode standard KServe would refuse it after the whole canary."""
    configure_logging()
    site.push("first")
    before = site.spec
    assert push(site, "first", CANARY, cpu="2").outcome == "already_serving"
    assert site.spec == before
    assert "serves this model with other options; the new options take effect with the next model" in capsys.readouterr().out


@BOTH
def test_a_problem_that_only_events_show_is_reported_soon(site: Site, mode: str):
    site.cluster.play(unsupported=("pvc://",))
    with site.open() as destination, pytest.raises(StepFailed, match=r"InternalError: .*StorageURI not supported"):
        site.stage(destination, "first")


def test_a_mode_that_is_not_installed_is_reported_soon(site: Site):
    site.cluster.play(has_knative=False)
    with site.open() as destination, pytest.raises(StepFailed, match=r"ServerlessModeRejected: It is not possible to use Knative"):
        site.stage(destination, "first")


def test_a_conflict_of_two_writers_is_no_trouble(site: Site):
    site.push("first")
    involved = {
        "kind": "InferenceService",
        "namespace": site.cluster.namespace,
        "name": "flights",
        "uid": site.cluster.isvc("flights")["metadata"]["uid"],
    }
    message = 'fails to update InferenceService status: Operation cannot be fulfilled on "flights": the object has been modified'
    event = {"involvedObject": involved, "reason": "InternalError", "type": "Warning", "message": message, "count": 1}

    def say(_: Call) -> None:
        site.cluster.store.create(EVENTS, site.cluster.namespace, {"metadata": {"name": f"flights.{len(names(site, EVENTS))}"}} | event)

    is_write = lambda call: call.method == "PUT" and "inferenceservices" in call.path  # noqa: E731
    site.cluster.faults.append(Fault(Do(say), times=0, when=is_write))
    assert site.push("second") == "pushed"


@BOTH
def test_a_stopped_service_gets_no_release(site: Site, mode: str):
    site.push("first")
    stop = {"metadata": {"annotations": {"serving.kserve.io/stop": "true"}}}
    stopped = site.cluster.store.change(INFERENCE_SERVICES, site.cluster.namespace, "flights", stop)
    with site.open() as destination:
        for act in (lambda: site.stage(destination, "second"), destination.rollback):
            with pytest.raises(TaskError, match=r"is stopped: it has the annotation serving\.kserve\.io/stop"):
                act()
    assert site.spec == stopped["spec"]


@ONLY_STANDARD
def test_a_right_that_judging_needs_is_asked_for_before_anything_is_changed(site: Site, mode: str):
    site.push("first")
    before = site.spec
    for resource, plan in (("deployments", AT_ONCE), ("httproutes", CANARY)):
        site.cluster.deny(("get", resource))
        with pytest.raises(TaskError, match=f'cannot get resource "{resource}".*have the permission granted'):
            push(site, "second", plan)
    assert site.spec == before

"""KServe as a destination, over a cluster that behaves as the real one: what the rollouts that all destinations share cannot see."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.components.evidence.answers import is_close
from penstock.components.protocol import Input, TaskError, fingerprint, redact
from penstock.components.protocol.logs import configure_logging
from penstock.components.release import settling
from penstock.components.release.destinations import StepFailed, parse
from penstock.components.release.destinations.kserve import plane as kserve_plane
from penstock.components.release.destinations.kserve.destination import KServeDestination
from penstock.components.release.release import Release
from penstock.components.release.rollout import Plan, go_back, promote, roll_out

from .....doubles.kubernetes.double import KubernetesDouble
from .....doubles.kubernetes.faults import Call, Disconnect, Do, Fail, Fault, Hang
from .....doubles.kubernetes.resources import INFERENCE_SERVICES, LEASES, PODS
from .....doubles.kubernetes.workload import Behavior
from .....doubles.models import ModelDoesNotLoad, ModelServers
from .....waiting import until

AT_ONCE = Plan(bake_seconds=0)
BOTH = pytest.mark.parametrize("mode", ["knative", "standard"])


@dataclass
class Site:
    """An InferenceService `flights`, its cluster and the models for it."""

    cluster: KubernetesDouble
    models: Path
    mode: str = "knative"

    def open(self, options: str = "", mode: str = "", **serving: Any) -> KServeDestination:
        uri = f"kserve://{self.cluster.namespace}/flights?mode={mode or self.mode}&storage=pvc://claim/models&timeout=90{options}"
        return parse(uri, "flights", serving)

    def model(self, name: str) -> Input:
        path = self.models / name / "model"
        return Input(name, str(path), path)

    def release(self, name: str, version: str = "") -> Release:
        probe = json.loads((self.models / name / "probe.json").read_text())
        return Release(fingerprint(self.models / name / "model"), version or {"first": "1", "second": "2"}[name], probe)

    def kept(self, name: str) -> Path:
        """Returns where the storage keeps a model and its record."""
        release = self.release(name)
        return Path(os.environ["PENSTOCK_PVC_ROOT"]) / "claim/models/flights" / f"{release.model_version}-{release.fingerprint[:12]}"

    def push(self, name: str, plan: Plan = AT_ONCE, **serving: Any) -> str:
        with self.open(**serving) as destination:
            return roll_out(destination, self.model(name), self.release(name), plan).outcome

    def stage(self, destination: KServeDestination, name: str) -> None:
        destination.stage(self.model(name), self.release(name))

    def answers(self, destination: KServeDestination) -> str:
        """Returns which model the candidate's URL, or the service's, reaches."""
        return self._who(lambda instances: destination.probe(instances).predictions)

    def serves(self) -> str:
        """Returns which model answers clients."""
        url = f"{self.cluster.url}/serving/{self.cluster.namespace}/flights/v1/models/flights:predict"
        return self._who(
            lambda instances: httpx.post(url, json={"instances": instances}, trust_env=False, verify=False).json()["predictions"]
        )

    def _who(self, ask: Callable[[list[Any]], list[Any]]) -> str:
        predictions = ask(self.release("first").probe["instances"])  # which are those of the second
        for name in ("first", "second"):
            if all(is_close(*pair, 1e-6) for pair in zip(predictions, self.release(name).probe["predictions"], strict=True)):
                return name
        return "unknown"

    def behaves(self, name: str, **behavior: Any) -> None:
        self.cluster.behaviors.insert(0, Behavior(self.release(name).fingerprint[:12], **behavior))

    @property
    def spec(self) -> dict[str, Any]:
        return self.cluster.isvc("flights")["spec"]

    @property
    def pods(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.cluster.store.list(PODS, self.cluster.namespace)}


@pytest.fixture
def cluster(
    kubernetes_api: None, model_servers: ModelServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KubernetesDouble]:
    claim = tmp_path / "pvc" / "claim"
    claim.mkdir(parents=True)
    monkeypatch.setenv("PENSTOCK_PVC_ROOT", str(claim.parent))
    with KubernetesDouble(model_servers, {"pvc://claim": claim}) as double:
        monkeypatch.setenv("KUBECONFIG", str(double.write_kubeconfig(tmp_path / "kubeconfig")))
        yield double


@pytest.fixture
def site(cluster: KubernetesDouble, saved_models: Path, request: pytest.FixtureRequest) -> Site:
    mode = request.node.callspec.params.get("mode", "knative") if hasattr(request.node, "callspec") else "knative"
    return Site(cluster, saved_models, mode)


@BOTH
def test_the_first_version_serves_and_is_a_candidate_until_it_is_promoted(site: Site, mode: str):
    with site.open() as destination:
        site.stage(destination, "first")
        staged = destination.current()
        assert (staged.serving, staged.candidate, staged.percent) == (None, site.release("first"), 0)
        destination.shift(100)
        assert destination.current().serving == site.release("first")
        assert destination.url == f"{site.cluster.url}/serving/{site.cluster.namespace}/flights/v1/models/flights:predict"
    assert site.serves() == "first"
    assert "canaryTrafficPercent" not in site.spec["predictor"]


@BOTH
def test_a_first_version_that_goes_wrong_leaves_nothing(site: Site, mode: str):
    site.behaves("first", crash="no space left on device")
    with site.open() as destination:
        with pytest.raises(StepFailed, match=r"CrashLoopBackOff: no space left on device \(exit code 1\)"):
            site.stage(destination, "first")
        assert destination.rollback() is None
        assert destination.current().candidate is None
    assert site.cluster.isvc("flights") is None


@BOTH
def test_only_the_probe_reaches_a_candidate_without_traffic(site: Site, mode: str):
    site.push("first")
    with site.open() as destination:
        site.stage(destination, "second")
        assert {site.serves() for _ in range(10)} == {"first"}
        assert site.answers(destination) == "second"
        destination.shift(50)
        assert {site.serves() for _ in range(10)} == {"first", "second"}
        assert destination.current().percent == 50
        assert destination.traffic().requests > 0


@BOTH
def test_a_status_of_before_the_change_is_not_taken_for_an_answer(site: Site, mode: str):
    site.push("first")
    site.behaves("second", stale_for=1.5, ready_after=0.5)
    started = time.monotonic()
    with site.open() as destination:
        site.stage(destination, "second")
        assert time.monotonic() - started > 1.5
        assert site.answers(destination) == "second"


@BOTH
@pytest.mark.parametrize(
    ("behavior", "words"),
    [
        ({"pull_failure": True}, "ImagePullBackOff: Back-off pulling image"),
        ({"pull_failure": True, "ready_though_broken": True}, "ImagePullBackOff: Back-off pulling image"),
        ({"crash": "Killed: out of memory"}, "CrashLoopBackOff: Killed: out of memory"),
        ({"quota": "exceeded quota: compute, requested: cpu=2"}, "exceeded quota: compute, requested: cpu=2"),
    ],
)
def test_a_version_that_cannot_start_is_explained_and_harms_no_client(site: Site, mode: str, behavior: dict[str, Any], words: str):
    site.push("first")
    site.behaves("second", **behavior)
    started = time.monotonic()
    with site.open() as destination:
        with pytest.raises(StepFailed) as failed:
            site.stage(destination, "second")
        assert words in str(failed.value)
        assert time.monotonic() - started < 25
        assert site.serves() == "first"
        assert destination.rollback() == site.release("first")
        assert destination.current().candidate is None
    assert site.serves() == "first"
    assert "1-" + site.release("first").fingerprint[:12] in json.dumps(site.spec)
    assert site.push("first") == "already_serving"


@BOTH
def test_a_pod_that_waits_for_a_node_says_so_once(site: Site, mode: str, capsys: pytest.CaptureFixture[str]):
    configure_logging()
    site.behaves("first", unscheduled="0/1 nodes are available: 1 Insufficient cpu.", ready_after=1.0)
    with site.open() as destination:
        site.stage(destination, "first")
    output = capsys.readouterr()
    assert (output.out + output.err).count(": Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.") == 1


def test_a_tag_that_knative_cannot_resolve_says_that_a_digest_would_do(site: Site):
    site.push("first")
    site.behaves("second", unresolved='Get "https://registry.internal/v2/": dial tcp: lookup registry.internal: no such host')
    with site.open(image="registry.internal/penstock-serve:1") as destination, pytest.raises(StepFailed) as failed:
        site.stage(destination, "second")
    assert "failed to resolve image to digest" in str(failed.value)
    assert "give the serving option image with its digest" in str(failed.value)
    assert site.serves() == "first"


@BOTH
def test_a_version_that_is_never_ready_says_what_it_waits_for(site: Site, mode: str):
    site.push("first")
    site.behaves("second", ready_after=60)
    with site.open("&timeout=2") as destination, pytest.raises(StepFailed, match="did not finish within 2 s"):
        site.stage(destination, "second")


@BOTH
def test_shares_leases_and_promotion_restart_no_pod(site: Site, mode: str):
    site.push("first")
    with site.open("&lease=1") as destination:
        site.stage(destination, "second")
        staged = site.pods
        for percent in (5, 50, 100):
            _wait_for_renewal(site)
            destination.shift(percent)
        assert site.pods == staged
        assert site.serves() == "second"
        destination.retire()
    assert site.serves() == "second"


@BOTH
def test_the_version_before_serves_again_at_once_while_it_is_kept_warm(site: Site, mode: str):
    site.push("first")
    with site.open() as destination:
        site.stage(destination, "second")
        destination.shift(100)
        site.behaves("first", ready_after=30)  # should it have to start again
        started = time.monotonic()
        watched = []
        until = threading.Event()

        def watch() -> None:
            while not until.wait(0.1):
                watched.append((time.monotonic() - started, site.serves()))

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert go_back(destination) == site.release("first")
        until.set()
        watcher.join()
    assert next(seconds for seconds, who in watched if who == "first") < 20
    assert {who for _, who in watched} <= {"first", "second"}
    assert site.serves() == "first"


@BOTH
@pytest.mark.parametrize("warm", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "while it is kept warm"])
def test_the_version_before_can_be_released_again(site: Site, mode: str, warm: bool):
    site.push("first")
    if warm:
        with site.open() as destination:
            site.stage(destination, "second")
            destination.shift(100)
    else:
        site.push("second")
    for name in ("first", "second"):
        assert site.push(name) == "pushed"
        assert site.serves() == name
    assert site.open().current().candidate is None


@BOTH
def test_a_version_kept_warm_that_answers_wrongly_does_not_get_its_place_back(site: Site, mode: str):
    site.push("first")
    with site.open() as destination:
        site.stage(destination, "second")
        destination.shift(100)
        probe = site.release("second").probe  # as if the first had answered so
        next(site.kept("first").glob("release-*.json")).write_text(json.dumps(asdict(replace(site.release("first"), probe=probe))))
    with site.open() as destination:
        with pytest.raises(TaskError, match=r"was answered .*; the current model continues to serve"):
            go_back(destination)
        assert {site.serves() for _ in range(10)} == {"second"}
        assert (destination.current().serving, destination.current().candidate) == (site.release("second"), None)
        destination.retire()
    assert {site.serves() for _ in range(10)} == {"second"}


@pytest.fixture
def other(site: Site, model_servers: ModelServers, tmp_path: Path) -> Path:
    """The second model with more bytes; the servers of it run, or have ended, before a rollout waits for what they take to start."""
    folder = tmp_path / "other"
    shutil.copytree(site.models / "second" / "model", folder)
    (folder / "more").write_text("bytes")
    model_servers.get(folder, "flights")
    with pytest.raises(ModelDoesNotLoad):
        model_servers.get(folder, "flights", site.release("second").fingerprint)
    return folder


@BOTH
def test_a_pod_does_not_start_with_other_bytes_than_were_pushed(site: Site, mode: str, other: Path):
    """They change after the push has read them back."""
    site.push("first")
    change = Do(lambda _: shutil.copy(other / "more", site.kept("second") / "model"))
    site.cluster.faults.append(Fault(change, when=lambda call: call.method == "PUT" and "inferenceservices" in call.path))
    with site.open() as destination:
        done = roll_out(destination, site.model("second"), site.release("second"), AT_ONCE)
    assert done.outcome == "rolled_back"
    assert "CrashLoopBackOff" in done.reason
    assert f"this server was started for the model {site.release('second').fingerprint[:12]}" in done.reason
    assert site.serves() == "first"


@BOTH
def test_pods_that_serve_other_bytes_are_found_out_by_what_they_say(site: Site, mode: str, other: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 3.0)
    site.push("first")
    site.behaves("second", serves=other)
    with site.open() as destination:
        done = roll_out(destination, site.model("second"), site.release("second"), AT_ONCE)
    assert done.outcome == "rolled_back"
    assert f"should have come from v2, but the last were 1 from the model {fingerprint(other)[:12]}" in done.reason
    assert site.serves() == "first"


@pytest.mark.parametrize("mode", ["standard", pytest.param("knative", marks=pytest.mark.slow)])
def test_metrics_that_vanish_on_the_way_roll_back(site: Site, mode: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kserve_plane, "PATIENCE_SECONDS", 1.0)
    site.push("first")

    def is_lost(call: Call) -> bool:
        return call.path.endswith("/metrics") and 'rafficPercent": 50' in json.dumps(site.spec)

    site.cluster.faults += [Fault(Fail(500), times=0, when=is_lost, plane=plane) for plane in ("api", "serving")]
    with site.open() as destination:
        done = roll_out(destination, site.model("second"), site.release("second"), Plan("canary", (50, 100), bake_seconds=0))
    assert done.outcome == "rolled_back"
    assert "check at 50 %: the metrics that count its errors have disappeared" in done.reason
    assert site.serves() == "first"


@BOTH
def test_any_version_that_served_can_serve_again_by_its_fingerprint(site: Site, mode: str):
    site.push("first")
    site.push("second")
    with site.open() as destination:
        assert go_back(destination, site.release("first").fingerprint[:8]) == site.release("first")
        with pytest.raises(TaskError, match="no version that served there has a fingerprint that starts with 'f00'"):
            destination.rollback("f00")
    assert site.serves() == "first"


@BOTH
def test_a_push_that_died_is_taken_up_where_it_stood(site: Site, mode: str):
    site.push("first")
    with site.open() as destination:
        site.stage(destination, "second")
        destination.shift(25)
    pods = site.pods
    with site.open() as again:
        assert again.current().percent == 25
        site.stage(again, "second")
        assert site.pods == pods
        again.shift(100)
    assert site.serves() == "second"


@BOTH
@pytest.mark.parametrize(
    "action",
    [
        *(Fail(500, applied=True), Disconnect(), Fail(409), Hang()),
        *(pytest.param(action, marks=pytest.mark.slow) for action in (Fail(500), Fail(429), Fail(503), Disconnect(applied=True))),
    ],
    ids=str,
)
def test_each_write_may_be_answered_by_an_error_once(site: Site, mode: str, action: Any):
    site.push("first")
    with site.open("&call_timeout=1") as destination:
        for step in (lambda: site.stage(destination, "second"), lambda: destination.shift(50), lambda: destination.shift(100)):
            site.cluster.faults[:] = [Fault(action, when=lambda call: call.method == "PUT" and "inferenceservices" in call.path)]
            step()
    assert site.serves() == "second"
    assert len(site.cluster.isvc("flights")["spec"].get("canary", [])) == (1 if mode == "standard" else 0)


@BOTH
def test_what_cannot_be_tidied_up_does_not_cost_the_new_model_its_place(site: Site, mode: str):
    site.push("first")
    with site.open() as destination:
        site.stage(destination, "second")
        destination.shift(100)
        site.cluster.faults[:] = [Fault(Fail(403), times=0, when=lambda call: call.method == "PUT" and "inferenceservices" in call.path)]
        destination.retire()
        site.cluster.faults.clear()
    assert site.serves() == "second"
    assert site.push("second") == "already_serving"
    assert len(site.cluster.isvc("flights")["spec"].get("canary") or []) == 0


@BOTH
def test_a_concurrent_change_is_kept(site: Site, mode: str):
    """A label makes a new revision in mode knative, which serves from then on."""
    site.push("first")

    def label(_: Call) -> None:
        before = rolled_out()
        site.cluster.store.change(INFERENCE_SERVICES, site.cluster.namespace, "flights", {"metadata": {"labels": {"team": "flights"}}})
        while mode == "knative" and rolled_out() == before:
            time.sleep(0.02)

    def rolled_out() -> str:
        return site.cluster.isvc("flights")["status"]["components"]["predictor"].get("latestRolledoutRevision", "")

    site.cluster.faults.append(Fault(Do(label), when=lambda call: call.method == "PUT" and "inferenceservices" in call.path))
    assert site.push("second") == "pushed"
    assert site.cluster.isvc("flights")["metadata"]["labels"]["team"] == "flights"
    assert site.serves() == "second"


def test_the_wait_outlives_a_cluster_that_is_away(site: Site):
    site.push("first")
    site.behaves("second", ready_after=3)

    def go_away() -> None:
        until(lambda: any(call.method == "PUT" and "inferenceservices" in call.path and call.code for call in site.cluster.calls))
        with site.cluster.refusing():
            time.sleep(1.5)

    away = threading.Thread(target=go_away)
    with site.open() as destination:
        site.cluster.reset_calls()
        away.start()
        site.stage(destination, "second")
        assert site.answers(destination) == "second"
    away.join()


def lease(site: Site, holder: str, seconds: int, age: float = 0.0) -> None:
    """Has another push take the lease."""
    renewed = (datetime.now(timezone.utc) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": renewed}
    metadata = {"name": "penstock-flights"}
    if site.cluster.store.list(LEASES, site.cluster.namespace):
        site.cluster.store.change(LEASES, site.cluster.namespace, metadata["name"], {"spec": spec})
    else:
        site.cluster.store.create(LEASES, site.cluster.namespace, {"metadata": metadata, "spec": spec})


# The holder's clock is right, five minutes behind, or five minutes ahead.
CLOCKS = pytest.mark.parametrize("age", [0, 300, -300])


@CLOCKS
def test_a_push_beside_another_one_says_so(site: Site, age: int):
    lease(site, "another", 60, age)
    renewed_at_each_look = Do(lambda _: lease(site, "another", 60, age))
    site.cluster.faults.append(Fault(renewed_at_each_look, times=0, when=lambda call: call.method == "GET" and "leases" in call.path))
    with pytest.raises(TaskError, match=r"another push to kserve://[\w-]+/flights is in progress \(another\)"), site.open():
        pass


@CLOCKS
def test_a_push_that_died_keeps_the_next_one_waiting_for_its_lease_only(site: Site, age: int):
    lease(site, "dead", 2, age)
    started = time.monotonic()
    with site.open() as destination:
        assert 2 <= time.monotonic() - started < 20
        assert destination.current().serving is None
    took = time.monotonic()
    with site.open():  # which was given back
        pass
    assert time.monotonic() - took < 20


@BOTH
def test_a_push_whose_lease_was_taken_changes_nothing_more(site: Site, mode: str):
    site.push("first")
    with site.open("&lease=1") as destination:
        site.stage(destination, "second")
        lease(site, "the next one", 60)
        site.cluster.reset_calls()
        until(lambda: any("leases" in call.path and call.code for call in site.cluster.calls))  # it is to be renewed
        before = site.spec
        with pytest.raises(TaskError, match=r"another push has taken kserve://[\w-]+/flights over"):
            destination.shift(100)
        with pytest.raises(TaskError, match="taken"):
            destination.rollback()
        assert site.spec == before
    (held,) = site.cluster.store.list(LEASES, site.cluster.namespace)
    assert held["spec"]["holderIdentity"] == "the next one"


def _wait_for_renewal(site: Site) -> None:
    def renewed() -> str:
        (held,) = site.cluster.store.list(LEASES, site.cluster.namespace)
        return held["spec"]["renewTime"]

    before = renewed()
    until(lambda: renewed() != before)


def test_who_asks_what_serves_needs_no_lease_and_writes_nothing(site: Site):
    site.push("first")
    site.cluster.reset_calls()
    assert site.open().current().serving == site.release("first")
    assert {call.method for call in site.cluster.calls} == {"GET"}


@BOTH
def test_a_service_that_penstock_has_not_made_is_the_rollback_point_of_the_first_push(site: Site, mode: str):
    site.push("first")
    theirs = site.cluster.isvc("flights")
    del theirs["spec"]["predictor"]["annotations"]
    theirs["spec"]["predictor"].pop("name", None)
    site.cluster.reset()
    for field in ("resourceVersion", "uid", "generation"):
        theirs["metadata"].pop(field)
    site.cluster.store.create(INFERENCE_SERVICES, site.cluster.namespace, theirs | {"status": {}})
    with site.open() as destination:
        assert destination.current().serving == Release("")
        site.stage(destination, "second")
        destination.shift(100)
        assert destination.current().previous == Release("")
        assert destination.rollback() == Release("")
    assert site.serves() == "first"


def test_what_is_staged_is_not_promoted_without_its_record(site: Site):
    site.push("first")
    with site.open() as destination:
        site.stage(destination, "second")
    next(site.kept("second").glob("release-*.json")).unlink()
    with (
        site.open() as destination,
        pytest.raises(TaskError, match="the expected answers of v2 are unknown, because its record is missing"),
    ):
        promote(destination, AT_ONCE)
    assert site.serves() == "first"


def test_the_records_are_gone_and_a_rollback_still_works(site: Site):
    site.push("first")
    site.push("second")
    for record in (Path(os.environ["PENSTOCK_PVC_ROOT"]) / "claim").rglob("*release-*.json"):
        record.unlink()
    with site.open() as destination:
        assert go_back(destination) == Release(site.release("first").fingerprint, "1")
    assert site.serves() == "first"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("kserve://models/Flights?mode=knative", "InferenceService 'Flights' is not a DNS-1123 label"),
        ("kserve://my_models/flights?mode=knative", "namespace 'my_models' is not a DNS-1123 label"),
        ("kserve://models?mode=knative", "InferenceService '' is not a DNS-1123 label"),
        (
            "kserve://models/flights?mode=serverless",
            "destination option mode=serverless is invalid; give knative or standard, or omit it for the cluster's default",
        ),
        ("kserve://models/flights?mode=knative&replicas=2", "destination option replicas is unknown"),
        ("kserve://models/flights?mode=knative&lease=soon", "destination option lease=soon is not a number of seconds"),
        ("kserve://models/flights?mode=knative&timeout=0", "destination option timeout=0 is not a number of seconds"),
    ],
)
def test_a_uri_that_is_none_is_refused(site: Site, uri: str, words: str):
    with pytest.raises(TaskError) as refused:
        parse(uri, "flights")
    assert words in redact(str(refused.value))  # as a task says it
    assert "\n" not in str(refused.value)


def refused_by(site: Site, options: str = "", mode: str = "") -> str:
    """Returns the one line that a push and a question are refused with."""
    with pytest.raises(TaskError) as push, site.open(options, mode) as destination:
        site.stage(destination, "first")
    assert "\n" not in str(push.value)
    return str(push.value)


def test_a_cluster_that_cannot_be_reached(site: Site):
    with site.cluster.refusing():
        assert "does not answer (" in refused_by(site)
        with pytest.raises(TaskError, match="check that it runs and can be reached"):
            site.open().current()


def test_no_cluster_at_all(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    assert "cannot find a cluster" in refused_by(site)


def test_an_expired_token(site: Site):
    site.cluster.write_kubeconfig(Path(os.environ["KUBECONFIG"]), token="expired")
    assert "401 Unauthorized): the token is invalid or expired; log in again" in refused_by(site)


def test_a_missing_namespace(site: Site):
    for act in (lambda destination: destination.__enter__(), lambda destination: destination.current()):
        with pytest.raises(TaskError, match=r"namespace.*nowhere"):
            act(parse("kserve://nowhere/flights?mode=knative", "flights"))


@pytest.mark.parametrize(("verb", "plural"), [("create", "inferenceservices"), ("get", "inferenceservices"), ("create", "leases")])
def test_a_permission_that_is_missing_is_named(site: Site, verb: str, plural: str):
    site.cluster.deny((verb, plural))
    output = refused_by(site)
    assert f'cannot {verb} resource "{plural}"' in output
    assert "have the permission granted" in output
    assert site.cluster.isvc("flights") is None


@pytest.mark.parametrize("mode", ["knative", "standard"])
def test_a_spec_that_is_refused_changes_nothing(site: Site, mode: str):
    site.push("first")
    before = site.spec
    problem = 'InferenceService "flights" is invalid: spec.predictor.containers[0].resources: Invalid value'
    site.cluster.faults.append(Fault(Fail(422, problem), when=lambda call: call.method == "PUT" and "inferenceservices" in call.path))
    with pytest.raises(TaskError, match=r"is invalid: spec\.predictor"), site.open() as destination:
        site.stage(destination, "second")
    assert site.spec == before


def test_the_other_mode_cannot_be_had(site: Site):
    site.push("first")
    assert "is deployed in mode Knative, which cannot be changed" in refused_by(site, mode="standard")


def test_shadowing_is_refused_before_anything_is_copied(site: Site):
    with site.open() as destination, pytest.raises(TaskError, match="cannot shadow"):
        destination.stage(site.model("first"), site.release("first"), shadow=True)
    assert site.cluster.isvc("flights") is None


class _NoKServe(BaseHTTPRequestHandler):
    """An API server without KServe: what it does not know it answers in plain text; leases it has."""

    def do_GET(self) -> None:
        self._answer(404, "text/plain", b"404 page not found\n")

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def test_a_cluster_without_kserve(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = HTTPServer(("127.0.0.1", 0), _NoKServe)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = site.cluster.kubeconfig()
    config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{server.server_port}"
    (tmp_path / "bare").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "bare"))
    with pytest.raises(TaskError, match=r"no inferenceservices\.serving\.kserve\.io: install KServe"):
        site.open().current()
    server.shutdown()

"""What KServe's gateway really does with the traffic, which follows the status by up to seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from penstock.components.release import settling
from penstock.components.release.destinations.kserve.plane import Address
from penstock.components.release.registry import open_registry

from .....doubles.kubernetes.double import KubernetesDouble
from .....doubles.kubernetes.webhook import KNATIVE, STANDARD
from ..sites import Site

HALF = {"strategy": "canary", "traffic_steps": [50, 100], "bake_seconds": 0}
KSERVE = pytest.mark.parametrize("site", ["kserve-standard", "kserve-knative"], indirect=True)
# What a mode decides is tested in both by the tests that follow; what it does not decide, in one of them, and in both every night.
MOSTLY_KNATIVE = pytest.mark.parametrize("site", [pytest.param("kserve-standard", marks=pytest.mark.slow), "kserve-knative"], indirect=True)
MOSTLY_STANDARD = pytest.mark.parametrize(
    "site", ["kserve-standard", pytest.param("kserve-knative", marks=pytest.mark.slow)], indirect=True
)
LAGS = pytest.mark.parametrize("lag", [1, pytest.param(20, marks=pytest.mark.slow)], ids="{} s".format)


def reason(done: Any) -> str:
    """Returns why a push was rolled back, or failed."""
    return done.error or done.metadata["pushed_model"]["summary"]


@pytest.mark.parametrize(
    ("revision", "service"),
    [
        ("flights-predictor-00001", "flights-predictor-00001-private"),
        (
            "a-name-of-forty-six-characters-in-knative-mode-predictor-00002",
            "a-name-of-forty-six-chaaab8c8250a68659fadb554daf681c644-private",  # as kmeta.ChildName of knative.dev/pkg returns it
        ),
    ],
)
def test_the_api_server_reaches_a_revision_by_the_service_of_its_pods(revision: str, service: str) -> None:
    assert Address("latest-flights-predictor", "svc.cluster.local", revision=revision).proxied == service


@KSERVE
@LAGS
@pytest.mark.parametrize("parameters", [HALF, {"strategy": "blue_green", "keep_warm_seconds": 1}], ids=["canary", "blue_green"])
def test_a_push_is_judged_once_the_gateway_has_followed(site: Site, kserve_cluster: KubernetesDouble, lag: float, parameters: Any):
    site("first")
    kserve_cluster.lag = lag
    with site.watching() as shares:
        done = site("second", parameters=parameters)
    assert done.parameters.get("outcome") == "pushed", reason(done)
    assert {who for seen in shares.values() for who in seen} <= {"first", "second"}
    assert {site.who() for _ in range(20)} == {"second"}


@KSERVE
@LAGS
def test_a_promotion_is_judged_once_the_gateway_has_followed(site: Site, kserve_cluster: KubernetesDouble, lag: float):
    site("first")
    site.kill("second", "check at 25 %")
    kserve_cluster.lag = lag
    done = site.control("promote")
    assert done.parameters.get("outcome") == "promoted", done.error
    assert {site.who() for _ in range(20)} == {"second"}


@KSERVE
@LAGS
def test_a_rollback_is_judged_once_the_gateway_has_followed_and_loses_no_request(site: Site, kserve_cluster: KubernetesDouble, lag: float):
    for name in ("first", "second"):
        site(name)
    kserve_cluster.lag = lag
    with site.watching() as shares:
        done = site.control("rollback")
    assert done.parameters.get("outcome") == "rolled_back", done.error
    assert {who for seen in shares.values() for who in seen} <= {"first", "second"}
    assert {site.who() for _ in range(20)} == {"first"}


@MOSTLY_STANDARD
def test_a_gateway_that_never_follows_is_named_as_the_reason(site: Site, kserve_cluster: KubernetesDouble, monkeypatch: pytest.MonkeyPatch):
    site("first")
    kserve_cluster.lag = 1000
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 5.0)
    done = site("second", parameters={"strategy": "blue_green"})
    assert done.parameters.get("outcome") == "rolled_back", reason(done)
    assert "for 5 s all 20 of 20 answers should have come from v2, but the last were" in reason(done)
    assert {site.who() for _ in range(20)} == {"first"}


@pytest.fixture
def inside(kserve_cluster: KubernetesDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has this process run in the cluster: its account is the pod's, and the names of Services lead there (by a proxy, instead of by DNS)."""

    def load(client_configuration: client.Configuration) -> None:
        client_configuration.host = kserve_cluster.url
        client_configuration.api_key = {"authorization": f"Bearer {kserve_cluster.token}"}

    monkeypatch.setattr(config, "load_incluster_config", load)
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("http_proxy", kserve_cluster.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture
def nowhere(site: Site, kserve_cluster: KubernetesDouble) -> Site:
    """A cluster as KServe's quick start leaves it: its domain is example.com, which leads nowhere, and no option names the gateway."""
    kserve_cluster.domain = "example.com"
    site.destination = site.destination.partition("&gateway=")[0]
    return site


def pushes_and_goes_back(site: Site) -> Any:
    """Pushes a first model and another one as a canary, and goes back; returns the first push."""
    first = site("first")
    assert first.parameters.get("outcome") == "pushed", reason(first)
    done = site("second", parameters=HALF)
    assert done.parameters.get("outcome") == "pushed", reason(done)
    status = site.control("status")
    assert (status.code, _answering(status)) == (0, [site.fingerprint("second")]), status.error
    done = site.control("rollback")
    assert done.parameters.get("outcome") == "rolled_back", done.error
    site.serves("first")
    return first


def _answering(done: Any) -> list[str]:
    return json.loads((done.outputs["release_state"] / "state.json").read_text())["answering"]


@KSERVE
def test_in_the_cluster_its_own_names_are_asked(nowhere: Site, kserve_cluster: KubernetesDouble, inside: None):
    first = pushes_and_goes_back(nowhere)
    assert ".example.com/v1/models/flights:predict" in first.parameters["url"]  # which is the same after every push
    assert not [call for call in kserve_cluster.calls if "/proxy" in call.path]


@MOSTLY_KNATIVE
def test_in_the_cluster_the_gateway_is_asked_for_what_has_a_route(nowhere: Site, kserve_cluster: KubernetesDouble, inside: None):
    kserve_cluster.domain = "models.internal"
    nowhere.destination += f"&gateway={kserve_cluster.url}"
    first = pushes_and_goes_back(nowhere)
    assert ".models.internal/v1/models/flights:predict" in first.parameters["url"]


@KSERVE
def test_outside_of_the_cluster_the_api_server_is_asked(nowhere: Site, kserve_cluster: KubernetesDouble):
    pushes_and_goes_back(nowhere)
    assert {call.method for call in kserve_cluster.calls if "/proxy" in call.path} == {"GET", "POST"}
    assert all(call.path.startswith("/serving/") for call in kserve_cluster.predictions)  # which are the test's own


# What `kubectl create --raw PATH -f -` does; the real one gives no token to a server without TLS, as this cluster is.
KUBECTL = """#!{python}
import json, os, sys, urllib.request
assert sys.argv[1:3] + sys.argv[4:] == ["create", "--raw", "-f", "-"], sys.argv
config = json.load(open(os.environ["KUBECONFIG"]))
headers = {{"Authorization": "Bearer " + config["users"][0]["user"]["token"], "Content-Type": "application/json"}}
request = urllib.request.Request(config["clusters"][0]["cluster"]["server"] + sys.argv[3], sys.stdin.buffer.read(), headers)
print(urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request).read().decode())
"""


@MOSTLY_KNATIVE
@pytest.mark.parametrize("gateway", [True, False], ids=["gateway", "no gateway"])
def test_the_command_that_a_push_prints_works_as_it_is(
    nowhere: Site, kserve_cluster: KubernetesDouble, gateway: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.format(python=sys.executable))
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if gateway:
        nowhere.destination += f"&gateway={kserve_cluster.url}"
    for name in ("first", "second"):
        command = nowhere(name).metadata["pushed_model"]["curl"]
        assert ("curl " in command, "kubectl " in command) == (gateway, not gateway)
        answer = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["predictions"][0] == pytest.approx(nowhere.ask(name)[0], abs=1e-6)


@pytest.mark.parametrize("site", ["kserve-knative"], indirect=True)
@pytest.mark.parametrize("default", [STANDARD, KNATIVE])
def test_without_a_mode_the_clusters_own_is_taken(nowhere: Site, kserve_cluster: KubernetesDouble, default: str):
    nowhere.destination = nowhere.destination.replace("mode=knative&", "")
    kserve_cluster.default_mode = default
    assert nowhere.control("status").code == 0
    assert nowhere("first").parameters["outcome"] == "pushed"
    assert kserve_cluster.isvc("flights")["status"]["deploymentMode"] == default
    assert nowhere("second", parameters=HALF).parameters["outcome"] == "pushed"
    assert nowhere.control("rollback").parameters["outcome"] == "rolled_back"


@pytest.mark.parametrize("site", ["kserve-knative"], indirect=True)
def test_a_mode_that_is_not_allowed_is_one_line(nowhere: Site, kserve_cluster: KubernetesDouble):
    nowhere.destination = nowhere.destination.replace("mode=knative&", "")
    kserve_cluster.deny(("create", "inferenceservices"))
    done = nowhere("first")
    assert done.code == 1
    assert 'cannot create resource "inferenceservices"' in done.error
    assert "\n" not in done.error


@MOSTLY_STANDARD
@pytest.mark.parametrize("is_readable", [True, False], ids=["", "without the record in the storage"])
def test_a_rollback_by_hand_finds_the_registered_model_whatever_the_destination_is_called(site: Site, tracking_uri: str, is_readable: bool):
    registry = open_registry("delays", tracking_uri)
    versions = {name: registry.register(site.fingerprint(name), str(site.model(name)), {}) for name in ("first", "second")}
    for name, version in versions.items():
        done = site(name, parameters={"model_name": "delays", "model_version": version})
        assert done.parameters["outcome"] == "pushed", reason(done)
    if not is_readable:
        for record in site.root.glob("volumes/**/release.json"):
            record.unlink()
    done = site.control("rollback", model_name="flights")
    assert done.parameters.get("outcome") == "rolled_back", done.error
    assert registry.aliases()["champion"] == versions["first"]

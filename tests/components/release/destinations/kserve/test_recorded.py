"""What Penstock reads in the events of three releases on a real API server."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.release.destinations.kserve.knative import Knative, has_share, is_latest_ready
from penstock.components.release.destinations.kserve.seen import InferenceService, Seen
from penstock.components.release.destinations.kserve.spec import KNATIVE
from penstock.components.release.destinations.kserve.standard import Standard, is_canary_ready, is_ready, is_shared

RECORDINGS = Path(__file__).parents[4] / "recordings" / "kserve"
Judgement = Callable[[Seen], Any]


def replay(name: str) -> Iterator[tuple[float, Seen]]:
    """Yields what there was after each event, once there is an InferenceService."""
    objects: dict[tuple[str, str], dict[str, Any]] = {}
    for line in gzip.decompress((RECORDINGS / f"{name}.jsonl.gz").read_bytes()).splitlines():
        event = json.loads(line)
        item = event["object"]
        key = item["kind"], item["metadata"]["name"]
        objects.pop(key, None)
        if event["type"] != "DELETED":
            objects[key] = item
        services = [item for (kind, _), item in objects.items() if kind == "InferenceService"]
        if services:
            yield event["at"], Seen(services[0], lambda kind, name: objects.get((kind, name)))


def changes(name: str, judgements: dict[str, Judgement]) -> list[tuple[float, str, Any]]:
    """Returns when the value of each judgement changed, and to which value."""
    judged: dict[str, Any] = dict.fromkeys(judgements, False)
    found = []
    for at, seen in replay(name):
        for judgement, judge in judgements.items():
            if (now := judge(seen)) != judged[judgement]:
                judged[judgement] = now
                found.append((at, judgement, now))
    return found


def asked(service: InferenceService) -> int:
    """Returns the share that the canary is to have."""
    canaries = service["spec"].get("canary") or [{"trafficPercent": 0}]
    return canaries[0]["trafficPercent"]


STANDARD: dict[str, Judgement] = {
    "canary ready": is_canary_ready,
    "canary shared": lambda seen: bool(seen.service["spec"].get("canary")) and is_shared(asked(seen.service))(seen),
    "serves": is_ready,
    "does not split": lambda seen: "splits no traffic" in Standard().why_no_shares(seen),
}


def test_a_release_on_a_kserve_that_splits_traffic():
    """The routes are written before the status, and the gateway has taken them a moment later."""
    assert changes("standard-after-0.20", STANDARD) == [
        (28.13, "serves", True),
        # Staged; the route gets a weight, then the canary; the gateway follows.
        (31.21, "serves", False),
        (31.34, "canary shared", True),
        (31.37, "serves", True),
        (55.89, "canary shared", False),
        (55.89, "serves", False),
        (55.90, "canary ready", True),
        (55.95, "canary shared", True),
        (55.95, "serves", True),
        # 25 %
        (56.54, "canary ready", False),
        (56.54, "canary shared", False),
        (56.54, "serves", False),
        (56.62, "canary ready", True),
        (56.72, "canary shared", True),
        (56.72, "serves", True),
        # 50 %
        (64.74, "canary ready", False),
        (64.74, "canary shared", False),
        (64.74, "serves", False),
        (64.82, "canary ready", True),
        (64.91, "canary shared", True),
        (64.91, "serves", True),
        # 100 %
        (72.97, "canary ready", False),
        (72.97, "canary shared", False),
        (72.97, "serves", False),
        (73.11, "canary ready", True),
        (73.17, "canary shared", True),
        (73.17, "serves", True),
        # The places are exchanged.
        (73.34, "canary ready", False),
        (73.34, "canary shared", False),
        (73.34, "serves", False),
        (73.53, "canary ready", True),
        (73.60, "canary shared", True),
        (73.60, "serves", True),
        # The model before is retired: KServe is not ready for a moment, as the route leads to a Service that is gone.
        (73.73, "canary ready", False),
        (73.73, "canary shared", False),
        (73.73, "serves", False),
        (74.07, "serves", True),
        # The rollback: it is brought up again, gets the traffic, and the place; 0.1.0 did not wait for the gateway.
        (76.15, "serves", False),
        (76.31, "canary shared", True),
        (76.41, "serves", True),
        (110.41, "canary shared", False),
        (110.41, "serves", False),
        (110.42, "canary ready", True),
        (110.48, "canary shared", True),
        (110.48, "serves", True),
        (111.60, "canary ready", False),
        (111.60, "canary shared", False),
        (111.60, "serves", False),
        (111.64, "canary ready", True),
        (111.73, "canary ready", False),
        (111.88, "serves", True),
    ]


def test_a_release_on_kserve_0_20_0_which_splits_no_traffic():
    """That is known as soon as there are routes; the shares of 25 and 50 %, which the status has, are never believed."""
    found = changes("standard-0.20.0", STANDARD)
    assert [one for one in found if one[1] == "does not split"] == [(35.01, "does not split", True)]
    assert (35.08, "serves", True) in found
    assert next(one for one in found if one[1] == "canary ready" and one[2]) == (70.42, "canary ready", True)
    shared = {asked(seen.service) for at, seen in replay("standard-0.20.0") if at < 87.22 and STANDARD["canary shared"](seen)}
    assert shared == {0, 100}
    # The exchange of places moves the traffic, and back.
    exchanged = [one for one in found if one[0] >= 87.22 and one[1] == "serves"]
    assert exchanged[0] == (87.42, "serves", True)
    assert exchanged[-1] == (87.90, "serves", True)


def test_what_stands_where_in_standard_mode():
    state = Standard().state
    for name, first, second in (("standard-0.20.0", "e5d9da45", "f16d55f4"), ("standard-after-0.20", "b7c173b1", "da0df81d")):
        summaries = [summary_of(state(seen.service)) for _, seen in replay(name)]
        staged = [(first, second, percent) for percent in (0, 25, 50, 100)]
        assert list(dict.fromkeys(summaries))[:7] == [(None, first, 0), (first, None, 0), *staged, (second, None, 0)]


def summary_of(state: Any) -> tuple[str | None, str | None, int]:
    return state.serving and state.serving.digest, state.candidate and state.candidate.digest, state.percent


def test_a_release_in_knative_mode():
    """`Ready` comes and goes; a share counts once the ingress has it, 0.1 to 0.3 s after the status has it."""
    judgements: dict[str, Judgement] = {
        "latest ready": is_latest_ready,
        "shared": lambda seen: has_share(seen.service["spec"]["predictor"].get("canaryTrafficPercent", 100))(seen),
        "candidate's address": lambda seen: Knative().candidate_address(seen.service).service.startswith("latest-"),
    }
    assert changes("knative-1.21", judgements) == [
        (28.83, "candidate's address", True),
        (28.96, "latest ready", True),
        (29.04, "latest ready", False),
        (29.24, "latest ready", True),
        (31.17, "shared", True),  # promoted: the revision that had all traffic already, until KServe writes it so
        (31.37, "shared", False),
        (31.69, "shared", True),
        # Staged.
        (33.53, "latest ready", False),
        (33.53, "shared", False),
        (33.85, "candidate's address", False),
        (58.58, "latest ready", True),
        (58.58, "shared", True),
        (58.58, "candidate's address", True),
        # 25, 50, 100 %
        (58.83, "shared", False),
        (59.07, "latest ready", False),
        (59.12, "shared", True),
        (67.15, "shared", False),
        (67.68, "shared", True),
        (76.04, "shared", False),
        (76.59, "shared", True),
        # The rollback: the revision before has all traffic, then it is released again as a new one.
        (78.35, "shared", False),
        (78.93, "latest ready", True),
        (78.98, "shared", True),
        (79.22, "latest ready", False),
        (79.22, "shared", False),
        (79.73, "candidate's address", False),
        (105.17, "latest ready", True),
        (105.17, "shared", True),
        (105.17, "candidate's address", True),
        (106.47, "shared", False),
        (106.73, "latest ready", False),
        (107.01, "shared", True),
    ]


@pytest.mark.parametrize("name", ["standard-0.20.0", "standard-after-0.20", "knative-1.21"])
def test_nothing_ready_is_taken_from_before_its_pods_are(name: str):
    """Of a first deployment, at each point: it serves only with a Deployment, or a revision, that answers."""
    judge = is_latest_ready if name.startswith(KNATIVE.lower()) else is_ready
    serves = False
    for _, seen in replay(name):
        if seen.service["metadata"]["generation"] > 1:
            break
        revision = f"{seen.service['metadata']['name']}-predictor-00001-deployment"
        pods = seen.read("Deployment", revision) or seen.deployment(seen.service["spec"]["predictor"]) or {}
        serves = judge(seen)
        assert not serves or pods["status"]["availableReplicas"] == 1
    assert serves

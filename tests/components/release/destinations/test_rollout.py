"""One test for each way in which a rollout can end, the same on every destination."""

import json
import re
import time
from typing import Any

import pytest

from .sites import SITES, Site

IN_BOTH_MODES = pytest.mark.parametrize("site", SITES, indirect=True)
# What is decided above the destinations, from what each of them reports in the same way.
MOSTLY_LOCAL = pytest.mark.parametrize(
    "site", [SITES[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in SITES[1:])], indirect=True
)
ONE_BY_ONE = {"strategy": "canary", "traffic_steps": [25, 50, 100], "bake_seconds": 0}


@IN_BOTH_MODES
def test_a_first_push_serves(site: Site):
    done = site("first")
    assert (done.code, done.error, done.parameters) == (0, "", {"outcome": "pushed", "url": site.url})
    site.serves("first")
    assert site.recorded() == {"serving": "first", "previous": None}
    assert site.champion() == "first"


@IN_BOTH_MODES
def test_a_second_push_replaces_it_and_the_rollback_point_is_found_everywhere(site: Site):
    site("first")
    done = site("second")
    assert done.parameters["outcome"] == "pushed"
    site.serves("second")
    receipt = json.loads((done.outputs["pushed_model"] / "receipt.json").read_text())
    assert receipt["rollback_fingerprint"] == site.fingerprint("first")
    assert site.recorded() == {"serving": "second", "previous": "first"}
    assert site.registry.version(site.versions["second"]).tags["rollback_point"].endswith(site.fingerprint("first"))
    assert (site.champion(), site.champion("previous")) == ("second", "first")


def test_the_same_again_changes_nothing_and_says_so(site: Site):
    site("first")
    before = site.state()
    done = site("first")
    assert done.parameters == {"outcome": "already_serving", "url": site.url}
    assert "already serves" in done.metadata["pushed_model"]["summary"]
    assert site.state() == before


@IN_BOTH_MODES
def test_a_canary_takes_its_shares_of_the_traffic(site: Site):
    site("first")
    with site.watching() as shares:
        done = site("second", parameters=ONE_BY_ONE | {"bake_seconds": 6})
    assert done.parameters["outcome"] == "pushed"
    assert [step for step in json.loads((done.outputs["pushed_model"] / "receipt.json").read_text())["steps"] if "shift" in step] == [
        "shift to 25 %",
        "shift to 50 %",
        "shift to 100 %",
    ]
    assert {25, 50} <= set(shares)
    for percent in (25, 50):
        seen = shares[percent]
        assert set(seen) <= {"first", "second"}
        assert abs(100 * seen["second"] / sum(seen.values()) - percent) < 20
    site.serves("second")


def test_blue_green_keeps_the_old_model_warm_for_a_while(site: Site):
    site("first")
    started = time.monotonic()
    done = site("second", parameters={"strategy": "blue_green", "keep_warm_seconds": 3})
    assert done.parameters["outcome"] == "pushed"
    assert time.monotonic() - started > 3
    site.serves("second")


def test_a_shadow_answers_no_client_until_it_is_promoted(site: Site):
    site("first")
    done = site("second", parameters={"strategy": "shadow", "bake_seconds": 1})
    if not site.can_shadow:
        assert done.code == 1
        assert "does not support strategy 'shadow'; it supports blue_green, canary, replace" in done.error
        site.serves("first")
        return
    assert done.parameters["outcome"] == "shadowing"
    site.serves("first")
    assert site.champion() == "first"
    assert site.control("promote").parameters["outcome"] == "promoted"
    site.serves("second")
    assert site.champion() == "second"


def test_a_model_that_does_not_load_is_taken_away(site: Site):
    site("first")
    done = site("broken")
    assert done.parameters["outcome"] == "rolled_back"
    assert json.loads((done.outputs["pushed_model"] / "receipt.json").read_text())["reason"].startswith("stage: ")
    assert_only_the_first_is_there(site)


def test_a_first_model_that_does_not_load_leaves_nothing(site: Site):
    done = site("broken")
    assert done.parameters == {"outcome": "rolled_back", "url": ""}
    assert site.state().serving is None
    assert site.champion() is None


@IN_BOTH_MODES
def test_clients_never_get_wrong_answers(site: Site):
    site("first")
    with site.watching() as shares:
        done = site("second", probe={"predictions": [[0.9], [0.9]]})
    assert done.parameters["outcome"] == "rolled_back"
    assert "check the staged model: request 0 was answered" in done.metadata["pushed_model"]["summary"]
    assert all(set(seen) <= {"first"} for seen in shares.values())
    assert_only_the_first_is_there(site)


@MOSTLY_LOCAL
def test_slow_answers_roll_back(site: Site):
    site("first")
    done = site("second", parameters={"max_latency_ms": 0.001})
    assert done.parameters["outcome"] == "rolled_back"
    assert "more than max_latency_ms=0.001" in done.metadata["pushed_model"]["summary"]
    assert_only_the_first_is_there(site)


@pytest.mark.parametrize("mode", ["9", None], ids=["wrong answers", "errors"])
def test_a_canary_that_goes_wrong_on_its_way_is_rolled_back(site: Site, mode: str | None):
    site("first")
    with site.when(lambda now: now.percent == 25, lambda: site.set_mode(mode)):
        done = site("fickle", parameters=ONE_BY_ONE | {"bake_seconds": 8})
    assert done.parameters["outcome"] == "rolled_back"
    assert "25 %" in done.metadata["pushed_model"]["summary"]
    assert_only_the_first_is_there(site)


def test_errors_that_only_some_requests_meet_roll_back_where_they_are_counted(site: Site):
    site("first")
    with site.asking([{"distance": -1.0, "carrier": "AA", "month": 1}]):
        done = site("fickle", parameters=ONE_BY_ONE | {"bake_seconds": 15 if site.counts_errors else 0})
    if not site.counts_errors:
        assert done.parameters["outcome"] == "pushed"
        return
    assert done.parameters["outcome"] == "rolled_back"
    assert "requests failed, a rate of" in done.metadata["pushed_model"]["summary"]
    assert_only_the_first_is_there(site)


@MOSTLY_LOCAL
def test_errors_of_long_ago_cost_what_serves_nothing(site: Site):
    site("first")
    site("fickle")
    site.fail_requests(60)
    assert site("fickle").parameters["outcome"] == "already_serving"
    site.serves("fickle")
    assert site.recorded() == {"serving": "fickle", "previous": "first"}


@MOSTLY_LOCAL
def test_a_model_that_had_errors_long_ago_can_be_released_again(site: Site):
    site("first")
    site("fickle")
    site.fail_requests(60)
    site("second")
    with site.asking(site.probe("first")["instances"]):
        assert site("fickle", parameters=ONE_BY_ONE | {"bake_seconds": 5}).parameters["outcome"] == "pushed"
    site.serves("fickle")


@MOSTLY_LOCAL
def test_what_is_staged_is_promoted_whatever_errors_it_had_before(site: Site):
    site("first")
    site.kill("fickle", "check at 25 %")
    site.fail_requests(240)
    with site.asking(site.probe("first")["instances"]):
        assert site.control("promote", keep_warm_seconds=5).parameters["outcome"] == "promoted"
    site.serves("fickle")


def test_changed_files_of_the_serving_model_are_restored_and_reported(site: Site):
    site("first")
    site.damage("first")
    done = site("first")
    assert done.parameters["outcome"] == ("already_serving" if site.copies else "pushed")
    site.serves("first")
    assert site("first").parameters["outcome"] == "already_serving"
    site("second")
    assert site.control("rollback").parameters["outcome"] == "rolled_back"
    site.serves("first")


@MOSTLY_LOCAL
def test_what_is_staged_and_has_changed_since_is_not_promoted(site: Site):
    site("first")
    site.kill("second", "check at 25 %")
    site.damage("second")
    done = site.control("promote")
    if site.copies:
        assert done.parameters["outcome"] == "promoted"
        site.serves("second")
        return
    assert done.parameters["outcome"] == "rolled_back"
    assert re.search("are not the bytes of the model|differ from the released files", done.metadata["release_state"]["reason"])
    assert_only_the_first_is_there(site)


@pytest.mark.parametrize("to", ["previous", "fingerprint"])
def test_no_rollback_to_a_model_whose_files_have_changed(site: Site, to: str):
    for name in ("first", "second"):
        site(name)
    site.damage("first")
    before = site.state()
    with site.watching() as shares:
        done = site.control("rollback", to=to if to == "previous" else site.fingerprint("first")[:12])
    if site.copies:
        assert done.parameters["outcome"] == "rolled_back"
        site.serves("first")
        return
    assert done.code == 1
    assert "the current model continues to serve" in done.error
    assert "\n" not in done.error
    assert set(shares[0]) == {"second"}
    assert site.state() == before
    assert site.champion() == "second"


@MOSTLY_LOCAL
def test_no_rollback_to_a_model_that_answers_wrongly(site: Site):
    for name in ("fickle", "second"):
        site(name)
    site.set_mode("9")
    before = site.state()
    with site.watching() as shares:
        done = site.control("rollback")
    assert done.code == 1
    assert "was answered" in done.error
    assert "the current model continues to serve" in done.error
    assert set(shares[0]) == {"second"}
    now = site.state()
    assert (now.serving, now.previous, now.candidate) == (before.serving, before.previous, None)
    site.set_mode("0")
    assert site.control("rollback").parameters["outcome"] == "rolled_back"
    site.serves("fickle")


@MOSTLY_LOCAL
def test_the_task_fails_if_the_rollback_fails(site: Site):
    site("fickle")
    site.set_mode("9")
    done = site("second", probe={"predictions": [[0.9], [0.9]]})
    assert done.code == 1
    assert "and so did the rollback" in done.error
    assert done.error.count("\n") == 0


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        ({"changes": {"verdict": "not_blessed"}}, "release only a blessed model"),
        ({"baseline": "second"}, "the Baseline is stale; run the pipeline again, or set allow_stale_baseline"),
        ({"baseline": ""}, "was compared with no model: the Baseline is stale"),
    ],
    ids=["not blessed", "stale baseline", "no baseline"],
)
def test_a_model_without_its_evidence_changes_nothing(site: Site, evidence: dict, message: str):
    site("first")
    before = site.state()
    done = site("second", **evidence)
    assert done.code == 1
    assert message in done.error
    assert site.state() == before
    assert_only_the_first_is_there(site)


@MOSTLY_LOCAL
def test_a_stale_baseline_may_be_allowed(site: Site):
    site("first")
    assert site("second", baseline="", parameters={"allow_stale_baseline": True}).parameters["outcome"] == "pushed"


def test_of_two_pushes_at_the_same_time_one_wins_and_the_other_says_so(site: Site):
    site("first")
    one = site.start("second", ONE_BY_ONE | {"bake_seconds": 10})
    site.wait(lambda now: now.percent == 25)
    other = site("fickle")
    assert other.code == 1
    assert "another push" in other.error
    assert one.wait(120) == 0
    site.serves("second")


STEPS = ("stage", "check the staged model", "shift to 25 %", "check at 25 %", "shift to 100 %")
# With KServe, what was killed at 25 % is what another model takes away in the test below.
NIGHTLY = {(kind, step) for kind in SITES for step in STEPS[1:3]} | {
    ("kserve-standard", STEPS[3]),
    *(("kserve-knative", step) for step in STEPS),
}


@pytest.mark.parametrize(
    ("site", "step"),
    [pytest.param(kind, step, marks=[pytest.mark.slow] * ((kind, step) in NIGHTLY)) for kind in SITES for step in STEPS],
    indirect=["site"],
)
def test_a_killed_push_is_finished_by_the_next_one(site: Site, step: str):
    site("first")
    site.kill("second", step)
    site.serves_either("first", "second")
    done = site("second", parameters=ONE_BY_ONE)
    assert done.parameters["outcome"] == "pushed"
    site.serves("second")
    assert site.champion() == "second"


def test_what_a_killed_push_left_is_taken_away_by_another_model(site: Site):
    site("first")
    site.kill("second", "check at 25 %")
    done = site("fickle", parameters=ONE_BY_ONE)
    assert done.parameters["outcome"] == "pushed"
    site.serves("fickle")
    assert site.recorded() == {"serving": "fickle", "previous": "first"}


@MOSTLY_LOCAL
def test_by_hand_what_is_staged_is_promoted(site: Site):
    site("first")
    site.kill("second", "check at 25 %")
    done = site.control("promote")
    assert done.parameters == {"outcome": "promoted", "url": site.url}
    site.serves("second")
    assert site.champion() == "second"
    assert "no model is staged there" in site.control("promote").error


@IN_BOTH_MODES
def test_by_hand_one_goes_back_to_the_model_before_or_to_any_other(site: Site):
    for name in ("first", "second", "fickle"):
        site(name)
    assert site.control("rollback").parameters["outcome"] == "rolled_back"
    site.serves("second")
    assert site.champion() == "second"
    assert site.control("rollback", to=site.fingerprint("first")[:12]).parameters["outcome"] == "rolled_back"
    site.serves("first")
    assert site.champion() == "first"
    before = site.state()
    assert "ffffffff" in site.control("rollback", to="f" * 12).error
    assert site.state() == before


def test_by_hand_one_sees_what_is_there(site: Site):
    assert site.control("status").code == 0
    site("first")
    done = site.control("status")
    assert (done.code, _state(done)["answering"]) == (0, [site.fingerprint("first")]), done.error
    site.kill("second", "check at 25 %")
    done = site.control("status")
    assert done.code == 0, done.error
    state = _state(done)
    assert set(state["answering"]) <= {site.fingerprint("first"), site.fingerprint("second")}
    assert state["answering"]
    assert (state["serving"]["fingerprint"], state["candidate"]["fingerprint"], state["percent"]) == (
        site.fingerprint("first"),
        site.fingerprint("second"),
        25,
    )


def _state(done: Any) -> dict[str, Any]:
    return json.loads((done.outputs["release_state"] / "state.json").read_text())


def assert_only_the_first_is_there(site: Site) -> None:
    site.serves("first")
    now = site.state()
    assert now.serving is not None
    assert (now.serving.fingerprint, now.candidate, now.percent) == (site.fingerprint("first"), None, 0)
    assert site.champion() == "first"

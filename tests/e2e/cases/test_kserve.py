"""Releases to KServe, in both modes: each behavior that docs/releasing.md promises, on a cluster."""

import re
import signal

import pytest

from ..service import Service

CANARY = {"strategy": "canary", "traffic_steps": [25, 50, 100], "bake_seconds": 5}


def test_first_push(service: Service) -> None:
    done = service.push("first")
    assert (done.code, done.parameters.get("outcome")) == (0, "pushed"), done.output
    service.answers_as("first")


def test_the_same_bytes_serve_already(service: Service) -> None:
    service.serving("first")
    done = service.push("first")
    assert done.parameters.get("outcome") == "already_serving", done.output
    service.answers_as("first")


@pytest.mark.splits_traffic
def test_canary(service: Service) -> None:
    service.serving("first")
    done = service.push("second", **CANARY)
    assert done.parameters.get("outcome") == "pushed", done.output
    service.answers_as("second")


def test_blue_green(service: Service) -> None:
    service.serving("second")
    done = service.push("first", strategy="blue_green", keep_warm_seconds=5)
    assert done.parameters.get("outcome") == "pushed", done.output
    service.answers_as("first")


@pytest.mark.splits_traffic
def test_failed_canary(service: Service) -> None:
    service.serving("first")
    done = service.push("second", wrong=True, **CANARY)
    assert (done.code, done.parameters.get("outcome")) == (0, "rolled_back"), done.output
    assert "request 0 was answered" in done.metadata["pushed_model"]["summary"]
    service.answers_as("first")


def test_rollback_by_hand(service: Service) -> None:
    service.serving("first")
    service.serving("second")
    code, output = service.types("rollback", "--model-name", "e2e-flights")
    assert code == 0, output
    service.answers_as("first")


@pytest.mark.splits_traffic
@pytest.mark.parametrize("step", ["check at 25 %", "check at 100 %"])
def test_kill_in_the_middle(service: Service, step: str) -> None:
    service.serving("first")
    baking = 0 if "100" in step else service.settings.timeout
    with service.pusher("second", **CANARY | {"bake_seconds": baking}).start() as process:
        assert process.stdout
        output = []
        for line in process.stdout:
            output.append(line)
            if step in line:
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "".join(output)
    assert set(service.asked(10)) <= {"first", "second"}
    done = service.push("second", **CANARY)
    assert done.parameters.get("outcome") in ("pushed", "already_serving"), done.output
    service.answers_as("second")


def test_status_names_what_serves_by_its_bytes(service: Service) -> None:
    service.serving("first")
    code, output = service.types("status")
    assert code == 0, output
    assert service.fingerprint("first")[:12] in output


def test_an_image_that_cannot_be_pulled(service: Service) -> None:
    service.serving("first")
    options = service.options | {"image": "penstock-e2e.invalid/nothing:none"}
    done = service.push("second", serving_options=options)
    assert done.parameters.get("outcome") == "rolled_back", done.output
    assert re.search("image|pull", done.metadata["pushed_model"]["summary"], re.IGNORECASE)
    service.answers_as("first")

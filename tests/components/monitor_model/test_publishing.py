"""Where the figures go: a real Pushgateway, the folder that the model server reads; and what the registry says of the champion."""

import json
import logging
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import pytest

from penstock.components.release.registry import open_registry

from ...infra.monitoring.recording import recorded, shape
from ...prometheus.programs import HOW, find
from ...prometheus.running import running
from .conftest import CANARY, EVAL_CONFIG, FINGERPRINT, logged, rows

JOB = "penstock_monitoring"
FUTURE = {"window_start": "2099-01-01", "window_end": "2099-01-02"}
OK = f'{{fingerprint="{FINGERPRINT}",instance="flights/{FINGERPRINT}",job="{JOB}",model_name="flights",verdict="ok"}} 1'


@pytest.fixture(scope="module")
def pushgateway(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[], int]) -> Iterator[str]:
    """The URL of a Pushgateway."""
    program = find("pushgateway")
    if not program:
        pytest.skip(f"there is no pushgateway: `make prometheus` fetches it, or {HOW}")
    with running([program], free_ports(), tmp_path_factory.mktemp("pushgateway")) as url:
        yield url


def shown(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/metrics") as answer:
        return answer.read().decode()


def test_a_pushgateway_gets_the_figures_of_each_version(monitor, write_log, pushgateway):
    lines = logged(rows(300)) + logged(rows(300, seed=2, shift=3), CANARY, version="4")
    for fingerprint in (FINGERPRINT, CANARY, FINGERPRINT):  # the canary was monitored since the window's start
        result = monitor(write_log(lines), model_name="flights", fingerprint=fingerprint, pushgateway=f"{pushgateway}/")
        assert result.code == 0, result.error
    text = shown(pushgateway)
    assert OK in text
    assert f'instance="flights/{CANARY}",job="{JOB}",model_name="flights",verdict="drifted"}} 1' in text


def test_a_version_that_is_not_monitored_any_more_leaves_the_pushgateway(monitor, write_log, pushgateway):
    log = write_log(logged(rows(300), CANARY))
    monitor(log, model_name="flights", pushgateway=pushgateway)
    monitor(log, model_name="flights/freight", fingerprint=CANARY, pushgateway=pushgateway)
    later = log / "flights" / "2099-01-01" / "000100-vm-1-0.jsonl"
    later.parent.mkdir()
    later.write_text("".join(f"{json.dumps(line)}\n" for line in logged(rows(300), start=datetime(2099, 1, 1, tzinfo=timezone.utc))))
    result = monitor(log, model_name="flights", pushgateway=pushgateway, **FUTURE)
    assert result.parameters == {"verdict": "ok"}
    text = shown(pushgateway)
    assert OK in text
    assert f'instance="flights/{CANARY}"' not in text
    assert f'instance="flights/freight/{CANARY}"' in text, "another model's figures stay"


def test_a_log_without_rows_is_forgotten_once_there_are_some(monitor, write_log, pushgateway, tmp_path):
    none = f'instance="flights/",job="{JOB}",model_name="flights",verdict="no_data"}} 1'
    (tmp_path / "log").mkdir()
    monitor(tmp_path / "log", model_name="flights", pushgateway=pushgateway)
    assert none in shown(pushgateway)
    monitor(write_log(logged(rows(300))), model_name="flights", pushgateway=pushgateway)
    assert none not in shown(pushgateway)


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}", "http://user:secret@127.0.0.1:{port}", "pushgateway:9091"])
def test_a_pushgateway_that_cannot_be_reached(monitor, write_log, caplog, free_port, address):
    with caplog.at_level(logging.WARNING):
        result = monitor(write_log(logged(rows(300))), pushgateway=address.format(port=free_port))
    assert (result.code, result.parameters) == (0, {"verdict": "ok"})
    [warning] = [record.getMessage() for record in caplog.records if record.name.endswith("publishing")]
    assert warning.startswith("the figures could not be sent to the Pushgateway at ")
    assert warning.endswith("; the verdict stands")
    assert "secret" not in warning


def test_a_pushgateway_that_refuses(monitor, write_log, caplog, pushgateway):
    result = monitor(write_log(logged(rows(300))), pushgateway=f"{pushgateway}/nowhere")
    assert result.parameters == {"verdict": "ok"}
    assert "PUT was answered with 404" in caplog.text


def test_the_model_server_finds_the_figures_by_the_fingerprint(monitor, write_log, tmp_path):
    result = monitor(write_log(logged(rows(300))), model_name="flights", monitoring_uri=str(tmp_path / "verdicts"))
    [written] = (tmp_path / "verdicts").iterdir()
    assert written.name == f"{FINGERPRINT}.prom"
    assert written.read_bytes() == (result.outputs["monitoring"] / "monitoring.prom").read_bytes()


def test_a_place_that_cannot_be_written(monitor, write_log, tmp_path, caplog):
    (tmp_path / "file").touch()
    result = monitor(write_log(logged(rows(300))), monitoring_uri=str(tmp_path / "file"))
    assert result.parameters == {"verdict": "ok"}
    assert f"the figures could not be sent to {tmp_path}/file" in caplog.text


def test_the_registry_says_which_version_should_serve(monitor, write_log, tracking_uri):
    registry = open_registry("flights", tracking_uri)
    registry.point("champion", registry.register(CANARY, "gs://bucket/model", {}))
    asked = {"model_name": "flights", "champion_alias": "champion", "tracking_uri": tracking_uri}
    result = monitor(write_log(logged(rows(300))), **asked)
    assert (result.found["champion"]["version"], result.found["champion"]["fingerprint"]) == ("1", CANARY)
    assert result.found["champion"]["registered"] <= result.found["champion"]["asked"]
    text = (result.outputs["monitoring"] / "monitoring.prom").read_text()
    labels = f'{{fingerprint="{CANARY}",version="1",model_name="flights"}}'
    assert f"penstock_champion_time_seconds{labels} {result.found['champion']['asked']!r}" in text
    assert f"penstock_champion_registered_time_seconds{labels} " in text


def test_a_registry_that_does_not_say(monitor, write_log, tracking_uri, caplog, free_port):
    asked = {"model_name": "flights", "champion_alias": "champion"}
    for uri, message in (
        (tracking_uri, "no version of flights has the alias champion"),
        (f"http://127.0.0.1:{free_port}", "does not answer"),
    ):
        result = monitor(write_log(logged(rows(300))), **asked, tracking_uri=uri)
        assert (result.parameters, result.found["champion"]) == ({"verdict": "ok"}, None)
        assert message in caplog.text
    result = monitor(write_log(logged(rows(300))), champion_alias="champion")
    assert (result.code, "champion_alias needs model_name" in result.error) == (1, True)


def test_alerts_and_dashboards_are_tested_with_these_figures(monitor, write_log, skew, tracking_uri, tmp_path):
    registry = open_registry("flights", tracking_uri)
    registry.point("champion", registry.register(FINGERPRINT, "gs://bucket/model", {}))
    asked = {"model_name": "flights", "champion_alias": "champion", "tracking_uri": tracking_uri, "eval_config": EVAL_CONFIG}
    requests = rows(1_500)
    (tmp_path / "labels.csv").write_text("id,is_late\n" + "".join(f"r{n},{int(row['hour'] > 14)}\n" for n, row in enumerate(requests)))
    result = monitor(write_log(logged(requests)), inputs=skew({"hour": 0}), labels=str(tmp_path / "labels.csv"), **asked)
    assert result.code == 0, result.error
    assert shape((result.outputs["monitoring"] / "monitoring.prom").read_text()) == recorded("monitoring.prom")

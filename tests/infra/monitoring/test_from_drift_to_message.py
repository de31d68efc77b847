"""From a drifted log to a person: a model server, monitor_model, a Pushgateway, Prometheus with our rules, Alertmanager, a webhook."""

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from penstock.local.task_code import code_path

from ...conftest import interpreter
from ...prometheus.programs import alertmanager as alertmanager_program
from ...prometheus.running import running
from .conftest import MONITORING

ROWS = 400
pytestmark = pytest.mark.skipif(
    "PENSTOCK_TF_PYTHON" not in os.environ, reason="the families' environments are not named: `make test` runs it"
)
_SECONDS = 120.0


@pytest.fixture
def received() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The URL of a webhook, and the alerts that it has been sent."""
    alerts: list[dict[str, Any]] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            alerts.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", alerts
        server.shutdown()


def test_a_drifted_log_becomes_a_message(
    program: Callable[[str], str],
    received: tuple[str, list[dict[str, Any]]],
    free_ports: Callable[[], int],
    tmp_path: Path,
    saved_models: Path,
):
    environment = os.environ | {"PYTHONPATH": str(code_path()), "CUDA_VISIBLE_DEVICES": "-1"}
    programs = {name: program(name) for name in ("prometheus", "pushgateway")}
    alertmanager_command = alertmanager_program()
    if not alertmanager_command:
        pytest.skip(
            "Debian's Alertmanager is not installed, and what it needs cannot be laid over /usr/share: apt-get install prometheus-alertmanager"
        )
    webhook, alerts = received
    log = tmp_path / "log"
    with ExitStack() as ended:
        model_server = ended.enter_context(_serving(saved_models / "first" / "model", log, free_ports(), environment, tmp_path))
        begin = _now()
        _predict(model_server, mean=1000.0)
        between = _now()
        _predict(model_server, mean=1500.0)
        _wait(lambda: sum(len(file.read_text().splitlines()) for file in log.rglob("*.jsonl")) == 2 * ROWS)

        pushgateway = ended.enter_context(running([programs["pushgateway"]], free_ports(), tmp_path))
        alertmanager = ended.enter_context(
            running(
                alertmanager_command,
                free_ports(),
                tmp_path,
                f"--config.file={_written(tmp_path / 'alertmanager.yaml', _routes_to(webhook))}",
                "--cluster.listen-address=",
                f"--storage.path={tmp_path / 'alerts'}",
            )
        )
        configuration = _written(tmp_path / "prometheus.yaml", _configured(model_server, pushgateway, alertmanager))
        options = f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'series'}"
        prometheus = ended.enter_context(running([programs["prometheus"]], free_ports(), tmp_path, *options))
        verdict = _monitor(log, f"{begin}/{between}", between, pushgateway, tmp_path, environment)
        assert verdict == "drifted"
        _wait(lambda: alerts)

        [served] = _ask(prometheus, "penstock_served_model")
        [alert] = alerts
        assert alert["status"] == "firing"
        labels = {"alertname": "PenstockModelDrifted", "severity": "warning", "model_name": "flights"}
        assert alert["labels"] == labels | {"fingerprint": served["metric"]["fingerprint"]}
        assert alert["annotations"]["summary"] == "The requests or predictions of flights have drifted"
        assert alert["annotations"]["runbook_url"].endswith("#penstockmodeldrifted")


@contextmanager
def _serving(model: Path, log: Path, port: int, environment: dict[str, str], folder: Path) -> Iterator[str]:
    """Gives the URL of a model server that logs every request."""
    command = [interpreter("PENSTOCK_SERVE_PYTHON"), "-m", "penstock.server", "--model_name", "flights", "--model_dir", str(model)]
    command += ["--http_port", str(port), "--grpc_port", "0"]
    command += ["--prediction_log", str(log), "--prediction_log_sample", "1", "--prediction_log_seconds", "1"]
    printed = folder / "model-server.log"
    with printed.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)

    def is_ready() -> bool:
        assert process.poll() is None, printed.read_text()
        try:
            return _http().get(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        _wait(is_ready)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _predict(url: str, mean: float) -> None:
    chance = random.Random(mean)
    rows = [
        {"distance": chance.gauss(mean, 300), "carrier": chance.choice(["AA", "UA"]), "month": chance.randint(1, 12)} for _ in range(ROWS)
    ]
    for start in range(0, ROWS, 50):
        answer = _http().post(f"{url}/v1/models/flights:predict", json={"instances": rows[start : start + 50]}, timeout=30)
        assert answer.ok, answer.text


def _monitor(log: Path, reference: str, start: str, pushgateway: str, folder: Path, environment: dict[str, str]) -> str:
    """Runs monitor_model's command, and returns its verdict."""
    parameters = {
        "logs": str(log),
        "reference_window": reference,
        "window_start": start,
        "model_name": "flights",
        "pushgateway": pushgateway,
    }
    outputs = {name: {"artifacts": [{"name": name, "uri": str(folder / name), "metadata": {}}]} for name in ("monitoring", "report")}
    given = {
        "inputs": {"parameterValues": parameters, "artifacts": {}},
        "outputs": {
            "artifacts": outputs,
            "parameters": {"verdict": {"outputFile": str(folder / "verdict")}},
            "outputFile": str(folder / "executor_output.json"),
        },
    }
    command = [interpreter("PENSTOCK_TF_PYTHON"), "-m", "penstock.components.monitor_model", "--executor_input", json.dumps(given)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "verdict").read_text()


def _configured(model_server: str, pushgateway: str, alertmanager: str) -> dict[str, Any]:
    """Returns the example with this test's addresses, every second."""
    found = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())
    found["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    found["rule_files"] = [str(MONITORING / "rules.yaml")]
    found["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager.removeprefix("http://")]
    for config, url in zip(found["scrape_configs"], (model_server, pushgateway), strict=True):
        config["static_configs"][0]["targets"] = [url.removeprefix("http://")]
    return found


def _routes_to(webhook: str) -> dict[str, Any]:
    receiver = {"name": "webhook", "webhook_configs": [{"url": webhook}]}
    return {"route": {"receiver": "webhook", "group_wait": "1s"}, "receivers": [receiver]}


def _written(file: Path, content: dict[str, Any]) -> Path:
    file.write_text(yaml.safe_dump(content))
    return file


def _ask(prometheus: str, query: str) -> list[dict[str, Any]]:
    return _http().get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=30).json()["data"]["result"]


def _http() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


def _wait(is_there: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.1)

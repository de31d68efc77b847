"""monitor_model's results for the version that serves, among the server's metrics; and that alerts can see the first request that is not logged."""

import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from penstock.components.protocol import fingerprint

from ...infra.monitoring.recording import recorded, shape
from .processes import ROW, Server

FIGURES = """# HELP penstock_monitoring_verdict 1 for the verdict of the last monitoring, 0 for the others.
# TYPE penstock_monitoring_verdict gauge
penstock_monitoring_verdict{{model_name="flights",fingerprint="{0}",verdict="drifted"}} {1}
# HELP penstock_requests_total no figure of monitor_model
# TYPE penstock_requests_total counter
penstock_requests_total{{model_name="flights",version="7",fingerprint="{0}",code="500"}} 9.0
"""
OTHER = "ca7a" * 16


def test_the_last_verdict_about_what_serves(placed: Path, tmp_path: Path, start: Callable[..., Server]):
    folder, mine = tmp_path / "monitoring", fingerprint(placed)
    folder.mkdir()
    (folder / f"{OTHER}.prom").write_text(FIGURES.format(OTHER, 1.0))
    place = folder / f"{mine}.prom"
    place.write_text(FIGURES.format(mine, 1.0))
    server = start(placed, "--monitoring", str(folder), "--prediction_log", str(tmp_path / "log")).ready()
    wait(lambda: 'verdict="drifted"' in metrics(server))
    families = {family.name: family.samples for family in text_string_to_metric_families(metrics(server))}
    assert [(sample.labels["fingerprint"], sample.value) for sample in families["penstock_monitoring_verdict"]] == [(mine, 1.0)]
    assert 9.0 not in [sample.value for sample in families["penstock_requests"]], "only monitor_model's own figures are shown"
    dropped = {
        sample.labels["reason"]: sample.value for sample in families["penstock_prediction_log_dropped"] if sample.name.endswith("_total")
    }
    assert dropped == {"busy": 0, "error": 0, "storage": 0}
    assert server.http.post("/v1/models/flights:predict", content=b" " * (9 << 20)).status_code == 413
    shown = {each for each in shape(server.http.get("/metrics").text) if not each[0].startswith("penstock_monitoring")}
    assert shown == recorded("server.prom"), "alerts and dashboards are tested with what the server shows"
    assert server.stop() == 0


def test_figures_that_cannot_be_read(placed: Path, tmp_path: Path, start: Callable[..., Server]):
    folder = tmp_path / "monitoring"
    folder.mkdir()
    (folder / f"{fingerprint(placed)}.prom").write_text("penstock_monitoring_verdict{")
    server = start(placed, "--monitoring", str(folder)).ready()
    wait(lambda: "cannot read the figures of monitor_model" in server.log.read_text())
    assert server.predict([ROW]).status_code == 200
    assert "penstock_monitoring" not in metrics(server)


def metrics(server: Server) -> str:
    """Returns the metrics in the format that Prometheus asks for."""
    return server.http.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}).text


def wait(is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.1)

"""Requests, errors and latencies from the server's metrics."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from .conftest import FINGERPRINT, logged, rows

LABELS = f'fingerprint="{FINGERPRINT}",model_name="flights",version="3"'
METRICS = f"""# TYPE penstock_requests_total counter
penstock_requests_total{{code="200",{LABELS}}} 95.0
penstock_requests_total{{code="400",{LABELS}}} 3.0
penstock_requests_total{{code="500",{LABELS}}} 2.0
penstock_requests_total{{code="200",fingerprint="other",model_name="flights",version="4"}} 7.0
penstock_request_seconds_bucket{{le="0.001",{LABELS}}} 50.0
penstock_request_seconds_bucket{{le="0.002",{LABELS}}} 100.0
penstock_request_seconds_bucket{{le="+Inf",{LABELS}}} 100.0
penstock_prediction_log_dropped_total{{reason="busy"}} 4.0
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of these metrics."""

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()


def test_what_the_server_has_counted(monitor, write_log, url):
    serving = monitor(write_log(logged(rows(1_000))), metrics_url=url).found["serving"]
    assert {name: serving[name] for name in ("requests", "errors", "refused", "dropped")} == {
        "requests": 100,
        "errors": 2,
        "refused": 3,
        "dropped": 4,
    }
    assert (serving["p50_ms"], serving["p99_ms"]) == (pytest.approx(1.0), pytest.approx(1.98))


def test_a_server_that_does_not_answer_changes_no_verdict(monitor, write_log):
    result = monitor(write_log(logged(rows(1_000))), metrics_url="http://127.0.0.1:9/metrics")
    assert result.parameters == {"verdict": "ok"}, result.error
    assert "cannot be read" in result.found["serving"]["unknown"]
    assert "cannot be read" in result.outputs["report"].read_text()


def test_what_is_no_url(monitor, write_log):
    assert "metrics_url is 'flights:8080'; give the URL" in monitor(write_log(logged(rows(10))), metrics_url="flights:8080").error

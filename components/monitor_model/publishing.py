"""Where the figures go besides the artifact: to a Pushgateway, and to a place that the model server reads. Neither changes the verdict."""

import base64
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.components.data.filesystems import open_store, write_whole
from penstock.components.protocol import redact

if TYPE_CHECKING:
    import requests

JOB = "penstock_monitoring"
_SECONDS = 10.0
_logger = logging.getLogger(__name__)


def publish(text: str, monitoring: dict[str, Any], window_start: float, pushgateway: str, monitoring_uri: str) -> None:
    """Sends the figures where they are wanted. What does not succeed is a warning: the verdict stands.

    Args:
        text: The figures in Prometheus' text format.
        monitoring: What monitoring.json has.
        window_start: The window's start, as seconds since 1970.
        pushgateway: The Pushgateway's URL; empty for none.
        monitoring_uri: The folder or bucket that the model server reads; empty for none.
    """
    name, fingerprint = monitoring["model_name"], monitoring["fingerprint"]
    if pushgateway:
        _attempt(f"the Pushgateway at {redact(pushgateway)}", lambda: _push(pushgateway.rstrip("/"), text, name, fingerprint, window_start))
    if monitoring_uri:
        _attempt(redact(monitoring_uri), lambda: _write(monitoring_uri.rstrip("/"), fingerprint, text))


def _attempt(where: str, send: Callable[[], None]) -> None:
    try:
        send()
    except Exception as error:  # every store has exceptions of its own
        _logger.warning(
            "the figures could not be sent to %s (%s: %s); the verdict stands", where, type(error).__name__, redact(str(error))[:300]
        )


def _push(base: str, text: str, name: str, fingerprint: str, window_start: float) -> None:
    """Replaces the figures of this version, and deletes those of the model's versions that were last monitored before the window's start.

    A group is named by its instance alone: the labels of a group's name would replace those of the figures.
    """
    instance = f"{name}/{fingerprint}"
    _ask("PUT", _group(base, instance), data=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
    for group in _ask("GET", f"{base}/api/v1/metrics").json()["data"]:
        labels = group["labels"]
        other = labels.get("instance", "")
        of_model, _, version = other.rpartition("/")
        is_other = labels.get("job") == JOB and of_model == name and other != instance
        pushed = float(group["push_time_seconds"]["metrics"][0]["value"])
        if is_other and (pushed < window_start or not version):  # without one, the log had no rows
            _ask("DELETE", _group(base, other))


def _group(base: str, instance: str) -> str:
    return f"{base}/metrics/job/{JOB}/instance@base64/{base64.urlsafe_b64encode(instance.encode()).decode()}"


def _ask(method: str, url: str, **content: Any) -> "requests.Response":
    import requests  # takes a tenth of the task's time, and only a Pushgateway needs it

    answer = requests.request(method, url, timeout=_SECONDS, **content)
    if not answer.ok:
        raise ValueError(f"{method} was answered with {answer.status_code}, {answer.text.strip()[:200]}")
    return answer


def _write(folder: str, fingerprint: str, text: str) -> None:
    if not fingerprint:
        raise ValueError("the log does not tell which version answered")
    write_whole(*open_store(f"{folder}/{fingerprint}.prom"), text.encode())

"""check_serving: the model in the servers that will serve it, its answers against the evaluation's, a verdict."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from penstock.components.data import stored
from penstock.components.evidence.blessing import PROBE, PROBE_SHA256, EmptyProbe, read_probe, require_blessing
from penstock.components.protocol import Input, Output, TaskError, figure, redact
from penstock.components.protocol.fingerprint import file_sha256

from .answers import takes_rows_together
from .limits import all_measured, broken_limit, check_limits, measured_limits
from .measuring import Measured, Questions, measure_server
from .report import write_report
from .servers import PenstockServer, ServerKind, TensorFlowServing

PASSED, FAILED = "passed", "failed"
PROTOCOLS = ("v1", "v2", "grpc")
TENSORFLOW_SERVING = "tensorflow_model_server"


class Outputs(NamedTuple):
    """The output parameters."""

    verdict: str


def check_serving(
    model: Input,
    evaluation: Input,
    serving_check: Output,
    metrics: Output,
    report: Output,
    protocols: list = ["v1", "v2", "grpc"],  # noqa: B006 - as in the interface; nothing changes it
    limits: dict = {},  # noqa: B006
    concurrency: int = 8,
    load_seconds: float = 5.0,
    probe_rows: int = 16,
    start_attempts: int = 2,
    tolerance: float = 0.0,
) -> Outputs:
    """Serves a blessed model and says whether it answers as evaluated, within the limits; see the interface for the parameters.

    Raises:
        TaskError: The model is not blessed, a parameter is wrong or a server is broken; a model that fails is a result.
    """
    _check_parameters(protocols, concurrency, load_seconds, probe_rows, start_attempts, tolerance)
    check_limits(limits)
    blessing = require_blessing(model, evaluation.path)
    probe = _read_probe(evaluation.path)
    if tolerance:
        probe["tolerance"] = tolerance
    questions = Questions(probe, protocols, concurrency, load_seconds, start_attempts)
    serving_check.path.mkdir(parents=True)
    with _server_kinds() as kinds:
        servers = [measure_server(kind, model.path, serving_check.path, questions) for kind in kinds]
    _write(serving_check.path / PROBE, _spread(probe, probe_rows if takes_rows_together(probe) else 1))
    compared = measured_limits(limits, servers)
    reasons = [*_reasons(servers, probe), *(broken_limit(entry) for entry in compared if not entry["passed"])]
    check = {
        "verdict": FAILED if reasons else PASSED,
        "reasons": reasons,
        "model": {"fingerprint": blessing["model"]["fingerprint"], "uri": redact(model.uri)},
        PROBE_SHA256: file_sha256(serving_check.path / PROBE),
        "limits": compared,
        "servers": [asdict(server) for server in servers],
        "rows": len(probe["instances"]),
        "tolerance": probe["tolerance"],
        "rows_together": takes_rows_together(probe),
        "concurrency": concurrency,
        "load_seconds": load_seconds,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    _write(serving_check.path / "check.json", check)
    serving_check.metadata |= {"verdict": check["verdict"], "model_fingerprint": check["model"]["fingerprint"]}
    metrics.metadata |= all_measured(servers)
    write_report(report.path, check)
    figure(_headline(check, servers))
    return Outputs(check["verdict"])


def _check_parameters(
    protocols: list, concurrency: int, load_seconds: float, probe_rows: int, start_attempts: int, tolerance: float
) -> None:
    unknown = [protocol for protocol in protocols if protocol not in PROTOCOLS]
    if unknown or not protocols or len(set(protocols)) < len(protocols):
        raise TaskError(f"protocols is {protocols!r}; give some of {', '.join(PROTOCOLS)}, each once")
    if not load_seconds > 0:
        raise TaskError(f"load_seconds is {load_seconds:g}; give a time above 0")
    for name, value in {"concurrency": concurrency, "probe_rows": probe_rows, "start_attempts": start_attempts}.items():
        if value < 1:
            raise TaskError(f"{name} is {value}; give 1 or more")
    if not 0 <= tolerance < 1:
        raise TaskError(f"tolerance is {tolerance:g}; give a share of an output's largest magnitude, below 1, or 0 for the Evaluation's")


def _read_probe(evaluation: Path) -> dict[str, Any]:
    """Reads the evaluated requests; a model that clients cannot ask has none, and that is a result."""
    try:
        return read_probe(evaluation)
    except EmptyProbe:
        return {"instances": [], "predictions": [], "tolerance": 0.0}


@contextmanager
def _server_kinds() -> Iterator[list[ServerKind]]:
    """Gives the servers that this machine has."""
    executable = shutil.which(TENSORFLOW_SERVING)
    with TemporaryDirectory(prefix="penstock-") as folder:
        yield [PenstockServer(), *([TensorFlowServing(executable, Path(folder))] if executable else [])]


def _reasons(servers: list[Measured], probe: dict[str, Any]) -> Iterator[str]:
    for server in servers:
        yield from server.reasons()
    if not probe["instances"] and not any(server.failure for server in servers):
        yield "the Evaluation has no requests with known answers (no row is complete), so no answer can be compared"


def _spread(probe: dict[str, Any], rows: int) -> dict[str, Any]:
    """Keeps some rows of a probe, spread over it."""
    count = len(probe["instances"])
    step = max(count / rows, 1)
    kept = [int(number * step) for number in range(min(count, rows))]
    return probe | {key: [probe[key][row] for row in kept] for key in ("instances", "predictions")}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(stored.dump(content, indent=1, allow_nan=False), encoding="utf-8")


def _headline(check: dict[str, Any], servers: list[Measured]) -> str:
    """Says the verdict with the reason, or with the figures of the slowest protocol."""
    if check["reasons"]:
        more = f" (and {len(check['reasons']) - 1} more)" if len(check["reasons"]) > 1 else ""
        return f"{FAILED}: {check['reasons'][0]}{more}"
    slowest = max((one.load for server in servers for one in server.protocols), key=lambda load: load.p99_ms or 0.0)
    return (
        f"{check['rows']} rows answered as evaluated, p99 {slowest.p99_ms:.1f} ms at {slowest.requests_per_second:.0f} requests/s: {PASSED}"
    )

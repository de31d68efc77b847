"""The KFP interface of check_serving."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Input, Metrics, Model, Output, OutputPath

from penstock.components.container import container


@dsl.container_component
def check_serving(
    model: Input[Model],
    evaluation: Input[Artifact],
    serving_check: Output[Artifact],
    metrics: Output[Metrics],
    report: Output[HTML],
    verdict: OutputPath(str),
    protocols: list = ["v1", "v2", "grpc"],  # noqa: B006 - kfp reads the default, and nothing changes it
    limits: dict = {},  # noqa: B006
    concurrency: int = 8,
    load_seconds: float = 5.0,
    probe_rows: int = 16,
    start_attempts: int = 2,
    tolerance: float = 0.0,
):
    """Gate: serves the model as its destination will, and compares every answer with the evaluation's answer for the same row.

    The task loads the model directory in Penstock's model server. If `tensorflow_model_server` is on the path, the task also
    loads it in TensorFlow Serving, which listens on all addresses of the machine because it has no option to restrict them. The
    gate fails if the model does not load, gives different answers than in the evaluation, or exceeds a limit. The page lists
    the values that differ.

    Two numbers are equal if their difference is at most `tolerance` times the largest magnitude in the output's row (or times
    1, if that magnitude is smaller), because the order of a sum can change its last digits. The evaluation measures the default
    tolerance: it requests the same rows alone, 32 at a time and 256 at a time. The tolerance is at least 1e-5. If these answers
    differ by more than rounding, because the model pads or normalizes over the rows of a request, the task sends every row
    alone, and each request in the destination's probe contains one row.

    Args:
        model: The model to check.
        evaluation: The Evaluation of the model. Its `blessing.json` must bless exactly these bytes. Its `probe.json` contains
            evaluation rows with the model's answers.
        serving_check: `check.json` with the verdict, every limit and its measured value, and `probe.json`, the requests with
            known answers that push_model sends to the destination. `check.json` contains the SHA-256 of `probe.json`.
        metrics: Measured values: seconds to start, memory in MiB, and latency and throughput for each protocol.
        report: A page with the verdict, the answers that differ, and the measured values.
        verdict: `passed` or `failed`.
        protocols: The protocols to test: `v1` and `v2` (REST), `grpc` (V2). TensorFlow Serving supports `v1` and its own gRPC
            protocol.
        limits: Limits for every server and protocol, all optional: `start_seconds`, `memory_mb` (resident memory in MiB),
            `p50_ms`, `p95_ms`, `p99_ms`, `requests_per_second` (minimum).
        concurrency: The number of concurrent clients in the latency measurement. Each request contains one row.
        load_seconds: Duration of the measurement in seconds for each server, over all protocols.
        probe_rows: The number of requests in the destination's probe.
        start_attempts: The number of attempts to start the server before the gate fails.
        tolerance: The permitted difference between two numbers, as a share of the largest magnitude in the output's row. 0: the
            tolerance that the evaluation measured.
    """
    return container("serve", "check_serving")

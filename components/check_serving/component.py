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
    protocols: list = ["v1", "v2", "grpc"],  # noqa: B006 - kfp reads it, nobody changes it
    limits: dict = {},  # noqa: B006
    concurrency: int = 8,
    load_seconds: float = 5.0,
    probe_rows: int = 16,
    start_attempts: int = 2,
    tolerance: float = 0.0,
):
    """Gate: serves the model as its destination will, and compares its answers with the evaluation's, row for row.

    The exact model directory is loaded in Penstock's model server, and in TensorFlow Serving too where `tensorflow_model_server` is
    on the path; that one listens on all addresses of the machine meanwhile, and has no option that says otherwise. A model that does
    not load, answers otherwise than it was evaluated, or breaks a limit is not passed on. The page lists the values that differ.

    Two numbers may differ by `tolerance` times the largest magnitude in their output's row (or 1, if that is less): the order of a sum is
    not the model's. The Evaluation has measured what the model itself needs, by asking for the same rows alone, 32 at a time and 256 at a
    time; it is 1e-5 at least. Where these answers differ by more than rounding, since the model pads or normalizes over the rows of a
    request, every row is asked for alone, and the probe for the destination holds one.

    Args:
        model: The model to check.
        evaluation: Its Evaluation: `blessing.json` must bless exactly these bytes, and `probe.json` holds evaluation Examples with
            the answers that the model gave.
        serving_check: `check.json` with the verdict, every limit and its measured value, and `probe.json`, whose SHA-256 the check has:
            the requests with known answers that push_model sends to the destination.
        metrics: What was measured: the time to start, the memory, and the times and the throughput through each protocol.
        report: A page that shows the verdict, the answers that differ, and the measured times.
        verdict: `passed` or `failed`.
        protocols: What to ask through: `v1` and `v2` (REST), `grpc` (V2). TensorFlow Serving has `v1`, and a gRPC of its own.
        limits: The limits, all optional, for every server and through every protocol: `start_seconds`, `memory_mb` (resident, in
            MiB), `p50_ms`, `p95_ms`, `p99_ms`, `requests_per_second` (the least).
        concurrency: How many clients ask at the same time while times are measured, one row in a request.
        load_seconds: For how long they ask each server, in all protocols together.
        probe_rows: How many requests the probe for the destination holds.
        start_attempts: How often to start the server before the model counts as one that does not load.
        tolerance: What share of the largest magnitude in an output's row two numbers may differ by; 0 for what the Evaluation has measured.
    """
    return container("serve", "check_serving")

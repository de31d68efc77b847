"""Beam's options, checked before a run."""

import contextlib
import io
import re
import socket

from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
    TypeOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import create_runner

from penstock.components.protocol.errors import TaskError

from .beam_introspection import remember
from .runners import names_runner

# Beam's own default would first download another one.
_IN_MEMORY = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_ON_THIS_MACHINE = ("fnapirunner", "directrunner", "bundlebaseddirectrunner", "prismrunner")
_KNOWN = "DirectRunner, PrismRunner, FlinkRunner, SparkRunner, PortableRunner or DataflowRunner"
_ANSWER_SECONDS = 10.0
# Without it Flink and Spark end and start the workers, which import TensorFlow, between two stages of a job.
_ENVIRONMENT_CACHE_MS = 60_000


def name_of_runner(options: PipelineOptions) -> str:
    """Returns the name of the runner's class, in lower case."""
    return options.view_as(StandardOptions).runner.rpartition(".")[2].lower()


def runs_here(options: PipelineOptions) -> bool:
    """Tells whether the workers are processes of this machine."""
    return name_of_runner(options) in _ON_THIS_MACHINE or options.view_as(PortableOptions).environment_type == "LOOPBACK"


def read_options(given: list[str]) -> PipelineOptions:
    """Parses Beam's options.

    Raises:
        TaskError: One is invalid, or there is no such runner.
    """
    remember()
    named, printed = names_runner(given), io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            options = PipelineOptions(given if named else [*given, f"--runner={_IN_MEMORY}"])
            options.get_all_options(retain_unknown_options=True)
    except SystemExit:
        reason = printed.getvalue().strip().rpartition("error: ")[2]
        raise TaskError(f"beam_pipeline_args cannot be read ({reason[:200]}); correct them") from None
    standard = options.view_as(StandardOptions)
    if not standard.runner or standard.runner.lower() == "directrunner":
        standard.runner = _IN_MEMORY
    # It costs half a second for tf.Transform's pipeline, and refuses protocols. What the tests run in memory is what runs elsewhere.
    options.view_as(TypeOptions).pipeline_type_check = False
    try:
        create_runner(standard.runner)
    except (ValueError, ImportError, AttributeError):
        raise TaskError(f"beam_pipeline_args names the runner {standard.runner!r}, which does not exist; give {_KNOWN}") from None
    return options


def set_defaults(options: PipelineOptions, image: str) -> None:
    """Fills in what a runner elsewhere needs.

    Args:
        options: Beam's options.
        image: The image of the workers, if the runner starts containers and the options name none.

    Raises:
        TaskError: Dataflow needs more.
    """
    runner, portable, workers = name_of_runner(options), options.view_as(PortableOptions), options.view_as(WorkerOptions)
    if runner in _ON_THIS_MACHINE:
        return
    portable.environment_cache_millis = int(portable.environment_cache_millis or _ENVIRONMENT_CACHE_MS)
    if portable.environment_type in (None, "DOCKER") and not (portable.environment_config or portable.environment_options):
        workers.sdk_container_image = workers.sdk_container_image or image
        portable.environment_config = workers.sdk_container_image  # Flink and Spark know no other name of it
    if runner == "dataflowrunner":
        cloud, setup = options.view_as(GoogleCloudOptions), options.view_as(SetupOptions)
        for name in ("project", "region", "temp_location"):
            if not getattr(cloud, name):
                raise TaskError(f"beam_pipeline_args names Dataflow, but not its {name}; add --{name}=")
        if not cloud.temp_location.startswith("gs://"):
            raise TaskError(f"temp_location in beam_pipeline_args is {cloud.temp_location!r}; give Dataflow a gs:// bucket")
        setup.sdk_location = "container" if setup.sdk_location == "default" else setup.sdk_location
        try:
            from apache_beam.runners.dataflow.internal import apiclient  # noqa: F401
        except ImportError:  # TFDV 1.16's environment leaves it out
            raise TaskError(
                "this environment has no client for Dataflow; run the task in its family's image, or name another runner"
            ) from None


def check_endpoints(options: PipelineOptions) -> None:
    """Checks that a job server answers at the address in the options.

    Raises:
        TaskError: It does not answer.
    """
    given = options.get_all_options(retain_unknown_options=True)
    for name in ("job_endpoint", "flink_master", "spark_master_url"):
        found = re.fullmatch(r"(?:\w+://)?\[?([^\[\]]+?)\]?:(\d+)", str(given.get(name) or ""))
        if found:
            try:
                socket.create_connection((found[1], int(found[2])), timeout=_ANSWER_SECONDS).close()
            except (OSError, OverflowError) as error:
                raise TaskError(f"{name} {given[name]} in beam_pipeline_args does not answer ({error}); start it, or correct it") from error

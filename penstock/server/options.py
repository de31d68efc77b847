"""The options of the model server, from its command line and from Vertex AI's environment variables."""

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact
from penstock.components.release import feature_service
from penstock.components.release.feature_service import FeatureService
from penstock.components.release.names import is_model_name

from .limits import Limits

_EXAMPLES = """examples:
  python -m penstock.server serving --port 8501                                  the folder of a local:// destination
  python -m penstock.server --model_name flights --model_dir /mnt/models         one SavedModel, as a KServe predictor
  python -m penstock.server                                                      on Vertex AI, which sets AIP_STORAGE_URI and the like
"""
# Whether requests are computed together.
AUTO, ALWAYS, NEVER = "auto", "always", "never"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Options:
    """What to serve, and how.

    Attributes:
        folder: The folder of a local:// destination; None to serve one model.
        model_name: The one model's name in URLs.
        model_uri: The one model's SavedModel: a folder, or a URI that is fetched before it serves.
        fingerprint: The fingerprint that the one model must have; empty: any.
        host: The address to listen on.
        http_port: The port for REST.
        grpc_port: The port for V2 gRPC; 0 for none.
        drain_seconds: For how long it goes on answering after SIGTERM, while it says that it is not ready.
        health_route: Another path for the readiness check; empty for none.
        predict_route: Another path that predicts with the one model; empty for none.
        prediction_log: The folder or bucket for the prediction log; empty for none.
        prediction_log_key: The field of a request that says what a row is called, and is not given to the model; empty for none.
        prediction_log_sample: The share of the rows that are logged, above 0 and up to 1.
        prediction_log_mib: The size at which a file of the log is written, in MiB.
        prediction_log_seconds: The age at which it is written, whatever its size.
        monitoring: The folder or bucket with monitor_model's figures of the versions; empty for none.
        feature_service: Where features come from that requests lack; None: they must have all of them.
        batching: Whether requests are computed together: `always`, `never`, or `auto`, where that changes no answer.
        limits: What a request may have, and all of them together.
    """

    folder: Path | None
    model_name: str
    model_uri: str
    fingerprint: str
    host: str
    http_port: int
    grpc_port: int
    drain_seconds: float
    health_route: str
    predict_route: str
    prediction_log: str
    prediction_log_key: str
    prediction_log_sample: float
    prediction_log_mib: float
    prediction_log_seconds: float
    monitoring: str
    feature_service: FeatureService | None
    batching: str
    limits: Limits


def read_options(arguments: list[str] | None, environment: Mapping[str, str] = os.environ) -> Options:
    """Reads the command line, and the variables that Vertex AI sets for a custom container.

    Source: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements#aip-variables

    Raises:
        SystemExit: They make no sense.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    storage = environment.get("AIP_STORAGE_URI", "")
    is_one_model = given.folder is None
    if is_one_model == (not given.model_dir and not storage):
        parser.error("give the folder of a local:// destination, or --model_dir (on Vertex AI: AIP_STORAGE_URI)")
    if given.fingerprint and not (is_one_model and _FINGERPRINT.fullmatch(given.fingerprint)):
        parser.error(
            f"--fingerprint {given.fingerprint!r} must be the 64 hexadecimal digits of one model's; a folder's models have their own"
        )
    if not is_model_name(given.model_name):
        parser.error(f"--model_name {redact(given.model_name)[:80]!r} is not a valid model name")
    if not 0 < given.prediction_log_sample <= 1:
        parser.error(f"--prediction_log_sample {given.prediction_log_sample:g} must be above 0 and at most 1")
    on_vertex = is_one_model and not given.model_dir
    return Options(
        folder=given.folder,
        model_name=given.model_name,
        model_uri=given.model_dir or storage,
        fingerprint=given.fingerprint,
        host=given.host or ("0.0.0.0" if is_one_model else "127.0.0.1"),  # noqa: S104  a container is asked from outside
        http_port=given.http_port or (int(environment.get("AIP_HTTP_PORT", 8080)) if is_one_model else 8501),
        grpc_port=given.grpc_port if given.grpc_port is not None else 8081 if is_one_model and not on_vertex else 0,
        drain_seconds=given.drain_seconds,
        health_route=environment.get("AIP_HEALTH_ROUTE", ""),
        predict_route=environment.get("AIP_PREDICT_ROUTE", ""),
        prediction_log=given.prediction_log,
        prediction_log_key=given.prediction_log_key,
        prediction_log_sample=given.prediction_log_sample,
        prediction_log_mib=given.prediction_log_mib,
        prediction_log_seconds=given.prediction_log_seconds,
        monitoring=given.monitoring,
        feature_service=_feature_service(given.feature_service, parser),
        batching=given.batching,
        limits=Limits.from_arguments(given, parser),
    )


def _feature_service(uri: str, parser: argparse.ArgumentParser) -> FeatureService | None:
    if not uri:
        return None
    try:
        service = FeatureService.from_uri(uri)
    except TaskError as error:
        parser.error(f"--{error}")
    if service.token_file and not Path(service.token_file).is_file():
        parser.error(f"--feature_service option token_file={service.token_file} is not a file")
    return service


def _parser() -> argparse.ArgumentParser:
    # Nothing may be shortened: KServe's own parser reads the same command line.
    parser = argparse.ArgumentParser(
        prog="python -m penstock.server",
        description="Serves SavedModels: V1 and V2 protocols, REST and gRPC.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, nargs="?", help="the folder of a local:// destination")
    parser.add_argument("--model_name", default="model", help="the model's name in URLs (default: model)")
    parser.add_argument("--model_dir", default="", help="the SavedModel: a folder, or a URI such as gs://bucket/model")
    parser.add_argument("--fingerprint", default="", metavar="SHA256", help="do not start unless the one model has this fingerprint")
    parser.add_argument("--host", default="", help="the address to listen on (default: this machine alone for a folder, else all)")
    parser.add_argument("--http_port", "--port", type=int, default=0, help="the port for REST (default: 8501 for a folder, else 8080)")
    parser.add_argument("--grpc_port", type=int, help="the port for V2 gRPC, 0 for none (default: none for a folder, else 8081)")
    parser.add_argument("--drain_seconds", type=float, default=0, help="go on answering for so long after SIGTERM, saying `not ready`")
    parser.add_argument("--prediction_log", default="", metavar="URI", help="write requests and answers to this folder or bucket")
    parser.add_argument(
        "--prediction_log_key",
        default="",
        metavar="FIELD",
        help="the field of each row that is its id in the log, and is not given to the model (default: an id for each request, and the row's number)",
    )
    parser.add_argument("--prediction_log_sample", type=float, default=0.1, help="the share of requests to log (default: 0.1)")
    parser.add_argument("--prediction_log_mib", type=float, default=16, help="begin a new file at this size (default: 16)")
    parser.add_argument("--prediction_log_seconds", type=float, default=300, help="begin a new file at this age (default: 300)")
    parser.add_argument(
        "--monitoring",
        default="",
        metavar="URI",
        help="show the figures that monitor_model writes to this folder or bucket (monitoring_uri)",
    )
    parser.add_argument("--feature_service", default="", metavar="URI", help=f"add features that requests lack: {feature_service.FORM}")
    parser.add_argument(
        "--batching",
        choices=(AUTO, ALWAYS, NEVER),
        default=AUTO,
        help="compute requests together: `auto`, unless the model gives different answers in a batch (default: auto)",
    )
    Limits.add_arguments(parser)
    return parser

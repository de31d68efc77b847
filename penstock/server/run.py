"""Loads and serves models over REST and gRPC in one process."""

import asyncio
import gc
import logging
import sys
import tempfile
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

import uvloop
from kserve.errors import InvalidInput

from penstock.components.protocol import TaskError

from .bodies import Bodies
from .folder import FolderModels
from .grpc_server import GrpcServer
from .limits import Limits, allowed_connections
from .models import Models
from .one_model import load_one
from .options import Options
from .rest import Rest

if TYPE_CHECKING:
    from .online_features import OnlineFeatures
    from .prediction_log import PredictionLog

logger = logging.getLogger(__name__)


def run(options: Options, listener: socket) -> None:
    """Serves until SIGTERM; every request that has come by then is answered.

    Raises:
        SystemExit: The one model cannot be served.
    """
    with ExitStack() as ended:
        log = ended.enter_context(_prediction_log(options)) if options.prediction_log else None
        if options.monitoring:
            from .monitoring import Monitoring  # with fsspec, which is seldom needed

            ended.enter_context(Monitoring(options.monitoring))
        features = _online_features(options)
        uvloop.run(_serve(options, _models(options, log, features, ended), features, listener))


def _models(options: Options, log: "PredictionLog | None", features: "OnlineFeatures | None", ended: ExitStack) -> Models:
    key, batching = options.prediction_log_key, options.batching
    if options.folder:
        return FolderModels(options.folder, log, key, batching, features)
    try:
        folder = _local_folder(options.model_uri, ended)
        return load_one(options.model_name, folder, log, key, options.fingerprint, batching, features)
    except (TaskError, ValueError, OSError, InvalidInput) as error:
        sys.exit(f"error: cannot serve {options.model_name}: {error}")


def _local_folder(uri: str, ended: ExitStack) -> Path:
    """Returns the folder of a model. One in a bucket, as Vertex AI names it, is copied first; KServe copies before it starts a server.

    Raises:
        ValueError: Nothing is there, or it cannot be read.
    """
    if "://" not in uri:
        return Path(uri)
    from penstock.components.data.filesystems import fetch_folder

    model = Path(ended.enter_context(tempfile.TemporaryDirectory(prefix="penstock-model-"))) / "model"
    try:
        fetch_folder(uri, model)
    except Exception as error:  # every store has its own errors
        raise ValueError(f"{uri} cannot be fetched: {type(error).__name__}: {error}") from error
    return model


def _online_features(options: Options) -> "OnlineFeatures | None":
    if not options.feature_service:
        return None
    from .online_features import OnlineFeatures  # with aiohttp

    return OnlineFeatures(options.feature_service)


async def _serve(options: Options, models: Models, features: "OnlineFeatures | None", listener: socket) -> None:
    async with features or nullcontext():
        await _answer(options, models, listener)


async def _answer(options: Options, models: Models, listener: socket) -> None:
    if isinstance(models, FolderModels):
        await models.load_all()
    gc.collect()
    gc.freeze()  # otherwise the garbage collector scans all imports in 0.2 s, in which no request is answered
    bodies = Bodies(_limits(options))
    rest = Rest(models, options, bodies)
    servers = [asyncio.create_task(rest.serve(listener))]
    grpc = GrpcServer(options.host, options.grpc_port, rest.dataplane, rest.extension, bodies)
    if options.grpc_port:
        servers.append(asyncio.create_task(grpc.serve()))
    logger.info("serving %s on port %d", ", ".join(models.get_models()) or "no model yet", options.http_port)
    await asyncio.wait(servers, return_when=asyncio.FIRST_COMPLETED)
    await grpc.stop()
    await asyncio.gather(*servers)


def _limits(options: Options) -> Limits:
    """Returns the limits, with no more connections than this process may have files."""
    wanted = options.limits.max_connections
    allowed = allowed_connections(wanted, ports=2 if options.grpc_port else 1)
    if allowed < wanted:
        logger.warning(
            "with the files that this process may open there is room for %d connections, not %d (see ulimit -n)", allowed, wanted
        )
    return replace(options.limits, max_connections=allowed)


def _prediction_log(options: Options) -> "PredictionLog":
    from .prediction_log import PredictionLog  # with fsspec, which is seldom needed

    size = int(options.prediction_log_mib * 2**20)
    return PredictionLog(options.prediction_log, options.prediction_log_sample, size, options.prediction_log_seconds)

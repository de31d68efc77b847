"""`python -m penstock.server`: listens, loads, serves until SIGTERM."""

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import penstock
from penstock.components.release import serving
from penstock.components.release.server_token import write_token

from .log import configure_logging
from .options import Options, read_options


def main(arguments: list[str] | None = None) -> None:
    """Serves until SIGTERM."""
    options = read_options(arguments)
    listener = _bind(options.host, options.http_port)  # before the imports that take seconds
    if options.grpc_port:
        _bind(options.host, options.grpc_port).close()  # gRPC would share it with the process that has it
    if options.folder:
        listener.listen()  # requests wait while the models load
    with _announced(options) if options.folder else nullcontext():
        configure_logging(options.folder)
        _ignore_client_errors()
        from .run import run

        run(options, listener)


def _bind(host: str, port: int) -> socket.socket:
    """Makes a port ours."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        sys.exit(f"error: cannot listen on port {port} of {host}: {error.strerror}; end what uses it or choose another port")
    return listener


@contextmanager
def _announced(options: Options) -> Iterator[None]:
    """Announces the server in its folder; a second one there ends."""
    folder = options.folder
    assert folder
    info = serving.ServerInfo(
        pid=os.getpid(),
        host=options.host,
        port=options.http_port,
        started=time.time(),
        prediction_log=options.prediction_log,
        prediction_log_sample=options.prediction_log_sample if options.prediction_log else 0.0,
        prediction_log_key=options.prediction_log_key,
        monitoring=options.monitoring,
        feature_service=options.feature_service.uri if options.feature_service else "",
        version=penstock.__version__,
    )
    with serving.announced(folder, info) as is_first:
        if not is_first:
            sys.exit(f"error: another model server runs in {folder}; stop it: penstock serve stop {folder}")
        write_token(folder)
        yield


def _ignore_client_errors() -> None:
    """Keeps out of the log what a client reads in its answer: the log is for what is wrong with the server."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its C core has a line for every request that it refuses
    from kserve.errors import InvalidInput, ModelNotFound, ServerNotReady

    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of every invalid request
    # gRPC's Python has a traceback for every client that has gone before its answer.
    logging.getLogger("grpc._cython.cygrpc").addFilter(lambda record: "ExecuteBatchError" not in record.getMessage())
    answers = (InvalidInput, ModelNotFound, ServerNotReady, NotImplementedError)
    logging.getLogger("kserve").addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], answers)))


if __name__ == "__main__":
    main()

"""The model server of the `serve` family: `python -m penstock.server DIR --port 8501`.

KServe's REST server (V1, V2, Prometheus' `/metrics`) over the versions that a folder's state files name. Switching is V2's
model repository extension: `POST /v2/repository/models/NAME/load` serves what the state file says now. The new version is
loaded and warmed up before it takes the name, so that no request waits or fails; requests under way end on the old one.
"""

import argparse
import asyncio
import logging
import os
import socket
import sys
import time
import warnings
from pathlib import Path

from penstock.components.runtime import serving


def main(argv: list[str] | None = None) -> None:
    """Serves a folder until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m penstock.server", description="Serves the models of a folder, V1 and V2 protocols.")
    parser.add_argument("folder", type=Path, help="the folder of a local:// destination")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8501, help="the port to listen on")
    arguments = parser.parse_args(argv)
    listener = _listen(arguments.host, arguments.port)  # before the imports that take seconds
    info = serving.ServerInfo(os.getpid(), arguments.host, arguments.port, time.time())
    with serving.announced(arguments.folder, info) as is_first:
        if not is_first:
            sys.exit(f"error: another model server runs in {arguments.folder}; stop it: penstock serve stop {arguments.folder}")
        _configure_logging()
        _serve(arguments.folder, listener)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # whoever asks while the models load waits, and the port is ours
    except OSError as error:
        sys.exit(f"error: cannot listen on port {port} of {host}: {error.strerror}; end what uses it or choose another port")
    return listener


def _configure_logging() -> None:
    """Logs warnings and the server's own start; KServe keeps a logging configuration that it finds."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger(__name__).setLevel(logging.INFO)
    from kserve.errors import InvalidInput, ModelNotFound

    # The client reads what was wrong with its request; the server's log is for what is wrong with the server.
    mistakes = (InvalidInput, ModelNotFound)
    logging.getLogger("kserve").addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], mistakes)))
    warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")  # said by KServe's own code on every start


def _serve(folder: Path, listener: socket.socket) -> None:
    from kserve.constants.constants import FASTAPI_APP_IMPORT_STRING
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension
    from kserve.protocol.rest.server import RESTServer

    from penstock.repository import Models, VersionedDataPlane

    models = Models(folder)
    asyncio.run(models.load_stable())
    port = listener.getsockname()[1]
    server = RESTServer(FASTAPI_APP_IMPORT_STRING, VersionedDataPlane(models), ModelRepositoryExtension(models), port)
    logging.getLogger(__name__).info("serving %s on port %d", ", ".join(models.get_models()) or "no model yet", port)
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()

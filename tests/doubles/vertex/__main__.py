"""Runs the double as a process of its own, from the root of the repository: `python -m tests.doubles.vertex --port 7001 --folder DIR`.

Writes DIR/environment.json, the variables that a client needs, the `api_endpoint` and the `rest_endpoint`, once it listens; ends at SIGTERM.
"""

import argparse
import functools
import json
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

from penstock.components.protocol.atomic import atomically

from ..models import ModelServer, ModelServers
from .double import VertexDouble


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.doubles.vertex", description=__doc__)
    parser.add_argument("--port", type=int, default=7001, help="where to listen; 0 for any free port")
    parser.add_argument("--rest-port", type=int, default=7002, help="where to listen for plain HTTP; 0 for any free port")
    parser.add_argument("--folder", type=Path, required=True, help="for the certificate, the credentials and environment.json")
    parser.add_argument("--project", default="my-project")
    parser.add_argument("--location", default="us-central1")
    parser.add_argument("--bucket", action="append", default=[], metavar="URI=DIR", help="a folder that stands for a gs:// URI")
    parser.add_argument("--metadata-server", action="store_true", help="credentials come from the machine, not from a key file")
    parser.add_argument("--operation-seconds", type=float, default=0.0, help="how long operations take")
    options = parser.parse_args()
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    signal.signal(signal.SIGINT, lambda *_: done.set())
    place = {"project": options.project, "location": options.location, "port": options.port, "rest_port": options.rest_port}
    with ExitStack() as stack:
        double = stack.enter_context(VertexDouble(options.folder, _Servers(stack), **place))
        double.artifacts.folders.update({uri: Path(folder) for uri, _, folder in (item.partition("=") for item in options.bucket)})
        double.operations.seconds = options.operation_seconds
        _announce(options.folder / "environment.json", double, options.metadata_server)
        done.wait()


class _Servers:
    """Makes the pool of model servers when the first is asked for: without a deployment their environment is not needed."""

    def __init__(self, stack: ExitStack) -> None:
        self._pool = functools.cache(lambda: stack.enter_context(ModelServers()))

    def get(self, model: Path, name: str, expected: str = "") -> ModelServer:
        """Returns a server that is ready with a model under a name."""
        return self._pool().get(model, name, expected)


def _announce(path: Path, double: VertexDouble, metadata_server: bool) -> None:
    endpoints = {"api_endpoint": double.api_endpoint, "rest_endpoint": double.rest_endpoint}
    content = {**endpoints, "environment": double.environment(metadata_server=metadata_server)}
    with atomically(path) as scratch:
        scratch.write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(f"listens on {double.api_endpoint}; clients: {path}", flush=True)


if __name__ == "__main__":
    main()

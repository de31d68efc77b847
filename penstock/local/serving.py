"""The model server of a `local://` destination, in a container that outlives the task which pushes to it."""

import hashlib
import shlex
import time
from pathlib import Path
from typing import Any

from penstock.components.protocol import TaskError
from penstock.components.release import serving
from penstock.components.release.destinations.server_options import ServerOptions
from penstock.components.release.destinations.uri import split

from ..errors import UserError
from .engines import Engine
from .mounts import Mount

# The components that need a running model server where the destination is a folder.
STARTS_SERVERS = {"push_model", "control_release"}
_DEFAULT_PORT = "8501"
_ANNOUNCED_SECONDS = 60.0


def ensure_server(engine: Engine, image: str, folder: Path, parameters: dict[str, Any], options: list[str]) -> None:
    """Starts the folder's model server unless it runs.

    The task finds it as one that an earlier push has left: an image of the deploy family cannot start one. It ends by `penstock
    serve stop`, or by the task, if there is nothing to serve; both know its process by this machine's number for it.

    Args:
        engine: The container engine.
        image: The serve family's image.
        folder: The destination's folder.
        parameters: The task's parameters, which name the port and how to serve.
        options: The engine's options that every container gets.

    Raises:
        UserError: It does not start.
    """
    if serving.running_server(folder):
        return
    name = f"penstock-serve-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    try:
        command, written = _server(folder, parameters)
    except TaskError as error:
        raise UserError(str(error)) from error
    mounted = [item for path in written for item in Mount(path, True).options]
    serving.open_errors(folder).close()
    shell = ["sh", "-c", f"exec {shlex.join(command)} >> {shlex.quote(str(folder / serving.ERRORS))} 2>&1"]
    engine.ask("rm", "--force", name)
    started = engine.ask("run", "--detach", "--rm", "--name", name, "--pid", "host", *options, *mounted, image, *shell)
    deadline = time.monotonic() + _ANNOUNCED_SECONDS
    while started.returncode == 0 and time.monotonic() < deadline:
        if serving.running_server(folder):
            return
        if not engine.ask("ps", "--quiet", "--filter", f"name={name}").stdout.strip():
            break
        time.sleep(0.05)
    raise UserError(f"the model server of {folder} did not start: {started.stderr.strip() or serving.last_words(folder)}")


def _server(folder: Path, parameters: dict[str, Any]) -> tuple[list[str], list[Path]]:
    """Returns the server's command, and the folders that it writes to.

    Raises:
        TaskError: A serving option is invalid.
    """
    port = split(parameters["destination"])[2].get("port", _DEFAULT_PORT)
    asked = ServerOptions.from_options(parameters.get("serving_options") or {}, in_container=False)
    command = ["python", "-m", "penstock.server", str(folder), "--host", "127.0.0.1", "--port", port, *asked.arguments()]
    kept = [Path(uri) for uri in (asked.prediction_log, asked.monitoring) if uri.startswith("/")]
    for path in kept:
        path.mkdir(parents=True, exist_ok=True)
    return command, [folder, *kept]

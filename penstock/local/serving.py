"""The model server of a `local://` destination, in a container that outlives the task which pushes to it."""

import hashlib
import shlex
import time
from pathlib import Path

from penstock.components.runtime import serving
from penstock.components.runtime.destinations.uri import split

from ..engines import Engine
from ..errors import UserError
from .mounts import Mount

# The components that need a running model server where the destination is a folder.
STARTS_SERVERS = {"push_model", "control_release"}
_DEFAULT_PORT = "8501"
_ANNOUNCED_SECONDS = 60.0


def ensure_server(engine: Engine, image: str, destination: str, folder: Path, options: list[str]) -> None:
    """Starts the folder's model server unless it runs.

    The task finds it as one that an earlier push has left: an image of the deploy family cannot start one. It ends by `penstock
    serve stop`, or by the task, if there is nothing to serve; both know its process by this machine's number for it.

    Args:
        engine: The container engine.
        image: The serve family's image.
        destination: The destination's URI.
        folder: Its folder.
        options: The engine's options that every container gets.

    Raises:
        UserError: It does not start.
    """
    if serving.running_server(folder):
        return
    port = split(destination)[2].get("port", _DEFAULT_PORT)
    log = folder / "server.log"
    name = f"penstock-serve-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    server = shlex.join(["python", "-m", "penstock.server", str(folder), "--host", "127.0.0.1", "--port", port])
    command = ["sh", "-c", f"exec {server} >> {shlex.quote(str(log))} 2>&1"]
    engine.ask("rm", "--force", name)
    started = engine.ask(
        "run", "--detach", "--rm", "--name", name, "--pid", "host", *options, *Mount(folder, True).options, image, *command
    )
    deadline = time.monotonic() + _ANNOUNCED_SECONDS
    while started.returncode == 0 and time.monotonic() < deadline:
        if serving.running_server(folder):
            return
        if not engine.ask("ps", "--quiet", "--filter", f"name={name}").stdout.strip():
            break
        time.sleep(0.05)
    raise UserError(f"the model server of {folder} did not start: {_reason(started.stderr, log)}")


def _reason(said: str, log: Path) -> str:
    lines = (said or log.read_text(encoding="utf-8", errors="replace")).strip().splitlines()
    return f"{lines[-1].removeprefix('error: ') if lines else 'it said nothing'} (log: {log})"

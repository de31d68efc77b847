"""`penstock status`, `promote` and `rollback`: run control_release in the deploy family's environment."""

import json
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from penstock.components.data import stored
from penstock.components.protocol import TaskError, redact
from penstock.components.protocol.logs import is_verbose
from penstock.components.release import serving
from penstock.components.release.destinations.uri import split
from penstock.components.release.names import is_model_name

from ..errors import UserError
from ..local.task_code import module_command, module_variables
from ..local.task_environment import make_environments, set_serve_python, set_variables
from ..local.task_log import TaskLog

EXIT_DONE, EXIT_ROLLED_BACK = 0, 3
ROLLED_BACK = "rolled_back"
_PACKAGE = "penstock.components.control_release"


@dataclass(frozen=True)
class ServedModel:
    """The model at a destination.

    Attributes:
        destination: The destination's URI.
        model_name: The name under which the model serves and is registered.
        options: The command line's words for it, to be typed again.
    """

    destination: str
    model_name: str
    options: str

    @classmethod
    def named(cls, destination: str, model_name: str) -> "ServedModel":
        """Finds the model's name at the destination if it is not given.

        Raises:
            UsageError: The destination is not a URI of one, or does not tell which model is meant.
        """
        try:
            scheme, path, _ = split(destination)
        except TaskError as error:
            raise click.UsageError(redact(str(error))) from error
        if model_name and not is_model_name(model_name):
            raise click.UsageError(f"--model-name {redact(model_name)[:80]!r} is not a valid model name")
        given = f" --model-name {shlex.quote(model_name)}" if model_name else ""
        name = model_name or (_only_model(Path(path)) if scheme == "local" else _last_part(path))
        return cls(destination, name, f"{shlex.quote(destination)}{given}")

    @property
    def folder(self) -> Path | None:
        """The folder of a destination on this machine; None for any other."""
        scheme, path, _ = split(self.destination)
        return Path(path) if scheme == "local" else None


def control(action: str, target: ServedModel, parameters: dict[str, Any], root: Path, console: Console) -> int:
    """Runs control_release, and says what serves then.

    Args:
        action: `status`, `promote` or `rollback`.
        target: The model at a destination.
        parameters: Further parameters of control_release.
        root: The folder of the tracking database if no tracking server is given.
        console: Where to show it.

    Returns:
        The exit code: 0 done, 3 promoted and rolled back.

    Raises:
        UserError: The task failed; for `status` also if another version answers than the records say, or none.
    """
    python = make_environments(["deploy"], console)["deploy"]
    if target.folder is not None and action != "status":
        set_serve_python(console)
    set_variables(root.absolute())
    state, failure = _run(
        python, {"action": action, "destination": target.destination, "model_name": target.model_name} | parameters, console
    )
    _report(action, state, target, console)
    if failure:
        raise failure
    return EXIT_ROLLED_BACK if action == "promote" and state["outcome"] == ROLLED_BACK else EXIT_DONE


def _only_model(folder: Path) -> str:
    names = serving.known_models(folder)
    if len(names) != 1:
        there = f"has the models {', '.join(names)}" if names else "has no model yet"
        raise click.UsageError(f"{folder} {there}; name one with --model-name")
    return names[0]


def _last_part(path: str) -> str:
    name = path.rpartition("/")[2]
    if not name or name.isdecimal():
        raise click.UsageError(f"{path} does not contain the model's name; give it with --model-name")
    return name


def _run(python: Path, parameters: dict[str, Any], console: Console) -> tuple[dict[str, Any], UserError | None]:
    """Runs the task to its end. Returns the state that it writes, and the reason if it failed nevertheless."""
    with tempfile.TemporaryDirectory() as folder:
        artifact = {"name": "release_state", "uri": f"{folder}/release_state"}
        executor_input = {
            "inputs": {"parameterValues": parameters},
            "outputs": {"artifacts": {"release_state": {"artifacts": [artifact]}}, "outputFile": f"{folder}/executor_output.json"},
        }
        command = module_command(python, _PACKAGE, "--executor_input", json.dumps(executor_input))
        failure = _follow(command, console)
        state = Path(folder) / "release_state" / "state.json"
        if failure and not state.is_file():
            raise failure
        return stored.load(state.read_bytes(), f"the release state {state}", "try again"), failure


def _follow(command: list[str], console: Console) -> UserError | None:
    """Runs a command to its end, on a terminal with the step that it is at; returns what went wrong."""
    log = TaskLog()
    lines: list[str] = []
    with (
        console.status("asking") as status,
        subprocess.Popen(
            command,
            env=module_variables({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            log.read_line(line)
            if is_verbose():
                console.print(redact(line.rstrip()), style="dim", markup=False, highlight=False, soft_wrap=True)
            status.update(log.figure or "asking")
    if process.returncode == 1 and log.reason:
        return UserError(log.reason)
    if process.returncode:  # a bug: its traceback tells more
        click.echo("".join(lines), err=True, nl=False)
        return UserError(f"control_release ended with {process.returncode}; the lines above say why")
    return None


def _report(action: str, state: dict[str, Any], target: ServedModel, console: Console) -> None:
    """Prints how it went, what serves, and what to type next."""
    if action != "status":
        went_well = state["outcome"] != ROLLED_BACK or action == "rollback"
        reason = f": {state['reason']}" if state["reason"] else ""
        text = f"{state['outcome'].replace('_', ' ')}{reason}"
        console.print(text, style="green" if went_well else "red", markup=False, highlight=False, soft_wrap=True)
    for name, text in _facts(state, target):
        console.print(f"{name:<10} {text}", markup=False, highlight=False, soft_wrap=True)


def _facts(state: dict[str, Any], target: ServedModel) -> Iterator[tuple[str, str]]:
    yield "serves", f"{_known(state['serving'])}  {state['url']}" if state["serving"] else "nothing"
    if state["reason"] and state.get("answering") is not None:
        yield "answers", ", ".join(found[:40] for found in state["answering"]) or "nothing"
    if state["candidate"]:
        share = f"{state['percent']} % of the traffic" if state["percent"] else "no traffic yet"
        yield "candidate", f"{_known(state['candidate'])}  {share}"
    if state["previous"]:
        yield "previous", _known(state["previous"])
    if state["candidate"]:
        yield "promote", f"penstock promote {target.options}"
    if state["candidate"] or state["previous"]:
        yield "roll back", f"penstock rollback {target.options}"
    if target.folder is not None and state["serving"] and serving.running_server(target.folder) is None:
        yield "server", "is down; the next push, promotion or rollback starts it"


def _known(version: dict[str, str]) -> str:
    fingerprint = version["fingerprint"][:12]
    return fingerprint if version["label"] == fingerprint else f"{version['label']}  {fingerprint}".strip()

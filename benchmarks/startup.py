"""Start-up: from the engine's command to a task's first line, in our images, in plain ones of the same locks, and in virtualenvs."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from penstock.code import code_path
from penstock.components.images import image
from penstock.engines import Engine, find_engine
from penstock.envs import environment
from penstock.errors import UserError
from penstock.image_building import OPTIONS

from . import measure

# What each component's task stands on. Those of `deploy` import a library when they know which they need.
_LIBRARIES = {
    "validate_examples": ("tfdv", "tensorflow_data_validation"),
    "ingest_examples": ("tf", "numpy, pyarrow, fsspec"),
    "transform_examples": ("tf", "tensorflow_transform.beam"),
    "train_model": ("tf", "keras, tfx_bsl.public.tfxio, mlflow"),
    "evaluate_model": ("tf", "tensorflow_model_analysis"),
    "resolve_baseline": ("deploy", ""),
    "register_model": ("deploy", ""),
    "push_model": ("deploy", ""),
    "control_release": ("deploy", ""),
    "check_serving": ("serve", "numpy, httpx, jinja2, psutil"),
}
_ROUNDS = 5
_PLAIN = "localhost/penstock-bench"
# The task is imported and the executor input compared with its signature, which asks for more: its own first line would be next.
_REFUSED = "--executor_input {}"
_MARK = re.compile(r"error: .* is missing|imported$")
_TIMES = re.compile(r"(\d+)m([\d.]+)s (\d+)m([\d.]+)s$")


@dataclass(frozen=True)
class Start:
    """The fastest of some starts.

    Attributes:
        seconds: Wall seconds from before the command starts to the first line of the task.
        cpu: Processor seconds of the task's process, which are less noisy where a machine is shared.
    """

    seconds: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} ({self.cpu:.2f})"


def compare(folder: Path, console: Console) -> None:
    """Measures every component, family by family, and prints a row for each; the plain images are removed again.

    Args:
        folder: Where the logs go.
        console: Where to print.
    """
    try:
        engine = find_engine()
    except UserError as error:
        console.print(f"start-up: skipped: {error.message}\n", highlight=False)
        return
    columns = ("libraries alone", "ours", "plain, pip", "plain, uv", "ours / pip", "ours / uv", "virtualenv")
    table = Table("", *columns, title="start-up: wall seconds to a task's first line (CPU seconds)", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for family in dict.fromkeys(family for family, _ in _LIBRARIES.values()):
        if not engine.image_id(image(family)):
            console.print(
                f"start-up of {family}: skipped: {image(family)} is not on this machine; build it: `make images`\n", highlight=False
            )
            continue
        environment(family).make()
        plain = _build_plain(engine, family, folder)
        try:
            for name, (its, libraries) in _LIBRARIES.items():
                if its == family:
                    table.add_row(name, *_row(engine, name, family, libraries, plain, folder / name))
            table.add_section()
        finally:
            engine.ask("image", "rm", *reversed(plain.values()))
        (empty,) = _fastest([[*_in_container(engine, image(family)), "echo imported; times"]], folder / f"empty-{family}")
        table.caption = f"a container that does nothing: {empty.seconds:.2f} s"
    if table.rows:
        console.print(table, "", highlight=False)


def _build_plain(engine: Engine, family: str, folder: Path) -> dict[str, str]:
    """Builds the plain images: as `uv pip install` leaves them, and with the bytecode that pip compiles."""
    names = {installer: f"{_PLAIN}:{family}-{installer}" for installer in ("uv", "pip")}
    for installer, name in names.items():
        arguments = ["--build-arg", f"OURS={image(family)}", "--build-arg", f"FAMILY={family}", *shlex.split(os.environ.get(OPTIONS, ""))]
        command = [engine.command, "build", "--file", "benchmarks/plain.Dockerfile", "--target", installer, "--tag", name, *arguments, "."]
        measure.run(command, folder / f"build-{family}-{installer}.log")
    return names


def _row(engine: Engine, name: str, family: str, libraries: str, plain: dict[str, str], folder: Path) -> Iterator[str]:
    task = f"-m penstock.components.{name} {_REFUSED}"
    containers = [(image(family), f"-c 'import {libraries or 'sys'}; print(\"imported\")'")]
    containers += [(where, task) for where in (image(family), plain["pip"], plain["uv"])]
    commands = [[*_in_container(engine, where), f"python {arguments}; times"] for where, arguments in containers]
    commands.append(["sh", "-c", f"PYTHONPATH={code_path()} {environment(family).python} {task}; times"])
    alone, ours, pip, uv, virtualenv = _fastest(commands, folder)
    yield str(alone) if libraries else ""
    yield from map(str, (ours, pip, uv))
    yield from (f"{ours.seconds / other.seconds:.2f} ({ours.cpu / other.cpu:.2f})" for other in (pip, uv))
    yield str(virtualenv)


def _in_container(engine: Engine, name: str) -> list[str]:
    return [engine.command, "run", "--rm", "--network", "none", "--env", "TF_CPP_MIN_LOG_LEVEL=3", name, "sh", "-c"]


def _fastest(commands: Sequence[list[str]], folder: Path) -> list[Start]:
    """Starts every command some times, one after the other, and returns the fastest of each."""
    starts: list[list[Start]] = [[] for _ in commands]
    for round_ in range(_ROUNDS):
        for number, command in enumerate(commands):
            starts[number].append(_start(command, folder / f"{number}-{round_}.log"))
    return [Start(min(start.seconds for start in found), min(start.cpu for start in found)) for found in starts]


def _start(command: list[str], log: Path) -> Start:
    cost = measure.run(command, log)
    seconds = next((seconds for seconds, text in cost.lines if _MARK.search(text)), None)
    times = next((found for _, text in reversed(cost.lines) if (found := _TIMES.search(text))), None)
    if seconds is None or times is None:
        raise SystemExit(f"error: {shlex.join(command)} did not come to the task: {log}")
    return Start(seconds, sum(60 * int(times[index]) + float(times[index + 1]) for index in (1, 3)))

"""Start-up: from the engine's command to a task's first line, in our images, in plain virtualenvs there, and in ours outside."""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from penstock.components.images import image
from penstock.errors import UserError
from penstock.local.engines import Engine, find_engine
from penstock.local.envs import environment
from penstock.local.task_code import code_path, module_command

from . import figures, measure

# What each component's task stands on. Those of `deploy` import a library when they know which they need.
_LIBRARIES = {
    "validate_examples": ("tfdv", "tensorflow_data_validation"),
    "ingest_examples": ("tf", "numpy, pyarrow, fsspec"),
    "transform_examples": ("tf", "tensorflow_transform.beam"),
    "train_model": ("tf", "keras, tfx_bsl.public.tfxio, mlflow"),
    "check_eval_config": ("tf", "tensorflow_model_analysis"),
    "evaluate_model": ("tf", "tensorflow_model_analysis"),
    "require_verdict": ("deploy", ""),
    "resolve_baseline": ("deploy", ""),
    "register_model": ("deploy", ""),
    "push_model": ("deploy", ""),
    "control_release": ("deploy", ""),
    "check_serving": ("serve", "numpy, httpx, jinja2, psutil"),
}
_ROUNDS = 5
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
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
    """Measures every component, family by family, and prints a row for each.

    Args:
        folder: Where the logs go, and for a while the plain virtualenvs.
        console: Where to print.
    """
    try:
        engine = find_engine()
    except UserError as error:
        console.print(f"start-up: skipped: {error.message}\n", highlight=False)
        return
    columns = ("libraries alone", "ours", "plain, pip", "plain, uv", "ours / pip", "ours / uv", "virtualenv")
    table = figures.table("start-up: wall seconds to a task's first line (CPU seconds)", "", *columns)
    for family in dict.fromkeys(family for family, _ in _LIBRARIES.values()):
        if not engine.image_id(image(family)):
            reason = f"{image(family)} is not on this machine; build it: `make images`"
            console.print(f"start-up of {family}: skipped: {reason}\n", highlight=False)
            continue
        environment(family).make()
        with _plain(engine, family, folder.absolute()) as plain:
            for name, (its, libraries) in _LIBRARIES.items():
                if its == family:
                    table.add_row(name, *_row(engine, name, family, libraries, plain, folder / name))
            table.add_section()
        (empty,) = _fastest([[*_in_container(engine, family), "echo imported; times"]], folder / f"empty-{family}")
        table.caption = f"a container that does nothing: {empty.seconds:.2f} s"
    if table.rows:
        console.print(table, "", highlight=False)


@contextmanager
def _plain(engine: Engine, family: str, folder: Path) -> Iterator[Path]:
    """Makes a plain virtualenv of a family's lock for the Python in its image, and removes it in the end."""
    plain = folder / f"plain-{family}"
    plain.mkdir(parents=True)
    checkout = Path(__file__).parents[1]
    mounts = [f"{plain}:/opt/venv", f"{checkout}:/checkout:ro", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"]
    options = [word for mount in mounts for word in ("--volume", mount)]
    root = [engine.command, "run", "--rm", "--user", "0:0", "--network", "host", "--workdir", "/checkout", *options, image(family)]
    try:
        measure.run([*root, "sh", "benchmarks/plain.sh", "install", f"images/{family}/requirements.txt"], folder / f"plain-{family}.log")
        yield plain
    finally:
        engine.ask(*root[1:], "sh", "benchmarks/plain.sh", "remove")


def _row(engine: Engine, name: str, family: str, libraries: str, plain: Path, folder: Path) -> Iterator[str]:
    task = f"-m penstock.components.{name} {_REFUSED}; times"
    here = module_command(environment(family).python, f"penstock.components.{name}", *_REFUSED.split())
    mounted = ["--volume", f"{plain}:/opt/venv:ro"]
    commands = [
        [*_in_container(engine, family), f"python -c 'import {libraries or 'sys'}; print(\"imported\")'; times"],
        [*_in_container(engine, family), f"python {task}"],
        [*_in_container(engine, family, *mounted), f"python {task}"],
        # Bytecode is looked for where none is: as uv leaves it, which compiles nothing unless asked.
        [*_in_container(engine, family, *mounted, "--env", "PYTHONPYCACHEPREFIX=/tmp/none"), f"python {task}"],
        ["sh", "-c", f"PYTHONPATH={code_path()} {shlex.join(here)}; times"],
    ]
    alone, ours, pip, uv, virtualenv = _fastest(commands, folder)
    yield str(alone) if libraries else ""
    yield from map(str, (ours, pip, uv))
    yield from (f"{ours.seconds / other.seconds:.2f} ({ours.cpu / other.cpu:.2f})" for other in (pip, uv))
    yield str(virtualenv)


def _in_container(engine: Engine, family: str, *options: str) -> list[str]:
    quiet = ("--network", "none", "--env", "TF_CPP_MIN_LOG_LEVEL=3")
    return [engine.command, "run", "--rm", *quiet, *options, image(family), "sh", "-c"]


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

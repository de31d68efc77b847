"""A person's folder with everything that `compiled/training.yaml` needs, small enough to run again and again."""

import contextlib
import csv
import json
import random
import shlex
import shutil
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..command import COMMAND, WARM_COMMAND, variables

HERE = Path(__file__).parent
PIPELINE = HERE.parents[1] / "compiled" / "training.yaml"
HEADER = ("split", "distance", "hour", "carrier", "late")
CARRIERS = ("AA", "B6", "UA")


def rows(count: int = 3000, seed: int = 0, farther: float = 0.0) -> list[list[Any]]:
    """Returns rows under `HEADER`: long flights are late, two thirds are for training."""
    generator = random.Random(seed)
    result = []
    for number in range(count):
        distance = generator.uniform(100, 3000)
        late = int(distance + generator.gauss(0, 300) > 1500)
        split = "eval" if number % 3 == 2 else "train"
        result.append([split, round(distance + farther, 1), generator.randint(5, 23), generator.choice(CARRIERS), late])
    return result


def write_csv(path: Path, table: Iterable[list[Any]], header: Iterable[str] = HEADER) -> Path:
    """Writes rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([header, *table])
    return path


class SmallTraining:
    """The folder, and `penstock run` as it is typed there.

    Attributes:
        folder: The folder; data, modules, runs and the model server's folder lie in it.
        data: The rows of the good run.
        port: The model server's port.
        first: How the first run ended.
        options: What every run is given besides its own options.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.first: subprocess.CompletedProcess[str] | None = None
        self.options: tuple[str, ...] = ()
        for name in ("preprocessing.py", "trainer.py", "schema.pbtxt", "eval_config.pbtxt"):
            shutil.copy(HERE / name, folder / name)
        self.data = write_csv(folder / "rows.csv", rows())

    @property
    def root(self) -> Path:
        """The folder for runs, cache and tracking."""
        return self.folder / "local_outputs"

    def values(self, **changed: Any) -> dict[str, Any]:
        """Returns the parameters of the good run, with other values for some; every path is absolute."""
        return {
            "input_uri": str(self.data),
            "split_by": "column",
            "split_key": "split",
            "splits": {"train": ["train"], "eval": ["eval"]},
            "exclude_columns": ["split"],
            "schema_file": str(self.folder / "schema.pbtxt"),
            "preprocessing_module": str(self.folder / "preprocessing.py"),
            "trainer_module": str(self.folder / "trainer.py"),
            "eval_config": str(self.folder / "eval_config.pbtxt"),
            "model_name": "small",
            "destination": f"local://{self.folder / 'serving'}?port={self.port}",
        } | changed

    def tuned(self, shards: int = 2) -> dict[str, Any]:
        """Returns the parameters of a run that searches: with the given rate no model is blessed, with the other one it is."""
        trainer = self.folder / "tunable.py"
        export = "_export(weights, transform, fn_args.serving_model_dir)\n\n\ndef"
        scored = f"mlflow.log_metric('val_loss', float(tf.reduce_mean(error**2)))\n    {export}"
        trainer.write_text("import mlflow\n" + (self.folder / "trainer.py").read_text().replace(export, scored))
        return {
            "trainer_module": str(trainer),
            "tune": True,
            "search_space": {"rate": [-0.5, 0.5]},
            "hyperparameters": {"rate": -0.5},
            "max_trials": 2,
            "tuning_shards": [*range(shards)],
        }

    def command(self, *options: str, **changed: Any) -> list[str]:
        """Returns the command of a run: the good one, with other values for some parameters."""
        texts = {name: value if isinstance(value, str | Path) else json.dumps(value) for name, value in (self.values() | changed).items()}
        parameters = [item for name, value in texts.items() for item in ("--param", f"{name}={value}")]
        return [COMMAND, "run", str(PIPELINE), *parameters, *self.options, *options]

    def run(self, *options: str, **changed: Any) -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        return subprocess.run(
            [WARM_COMMAND, *self.command(*options, **changed)[1:]],
            cwd=self.folder,
            env=variables(),
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *options: str, **changed: Any) -> subprocess.Popen:
        """Starts it."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(self.command(*options, **changed), cwd=self.folder, env=variables(), text=True, **streams)

    def released(self) -> dict[str, Any]:
        """Returns what a run can release: the registry's versions and aliases, and every file that the model server goes by."""
        serving = self.folder / "serving"
        files = sorted(path for path in serving.rglob("*") if path.is_file() and path.suffix != ".log")
        return {**self.registry(), "served": {str(path.relative_to(serving)): path.read_bytes() for path in files}}

    def registry(self) -> dict[str, Any]:
        """Returns the registry's versions, and the version behind each alias."""
        database = self.root / "mlflow.db"
        if not database.exists():
            return {"versions": [], "aliases": {}}
        with contextlib.closing(sqlite3.connect(database)) as connection:
            versions = [number for (number,) in connection.execute("SELECT version FROM model_versions ORDER BY version")]
            aliases = dict(connection.execute("SELECT alias, version FROM registered_model_aliases"))
        return {"versions": versions, "aliases": aliases}

    def unfinished(self) -> list[Path]:
        """Returns what looks half-written."""
        return sorted(path for folder in (self.root, self.folder / "serving") for path in folder.rglob("*.partial"))

    def stop(self) -> None:
        """Stops the model server."""
        subprocess.run([WARM_COMMAND, "serve", "stop", "serving"], cwd=self.folder, capture_output=True, check=True)


def fact(done: subprocess.CompletedProcess[str], name: str) -> str:
    """Returns what the end of a run says under a name, such as `verdict`."""
    found = [line.removeprefix(name).strip() for line in done.stdout.splitlines() if line.startswith(f"{name} ")]
    assert len(found) == 1, done.stdout + done.stderr
    return found[0]


def states(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Returns the last state of each task that a run shows."""
    words = [line.split() for line in done.stdout.split("\nrun  ")[0].splitlines()]
    known = ("done", "cached", "failed", "skipped", "running", "waiting")
    shown = {line[0]: line[1] for line in words if len(line) > 1 and line[1] in known}
    return shown | {line[0]: "not run" for line in words if line[1:3] == ["not", "run"]}


def typed(line: str) -> str:
    """Types the curl line that a run offers to try, and returns what comes back; where there is no curl, sends what it would."""
    if shutil.which("curl"):
        return subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout
    _, _, url, _, header, _, body = shlex.split(line)
    request = urllib.request.Request(url, body.encode(), dict([header.split(": ")]))
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return answer.read().decode()

"""`python -m benchmarks`: makes the tables, runs both sides, prints what was measured."""

import functools
import shutil
from pathlib import Path

import click
from rich.console import Console

from penstock.local.envs import environment

from . import machine, measure, peer_bulk_inferrer, peer_evidently, peer_kserve, peer_tfx, scale, sources, startup, train, tuning
from .ours import Place
from .single_task import TaskRun

FLIGHTS = Path("data/flights")
FOLDER = Path("build/benchmarks")
_PARTS = ("tfx", "kserve", "scale", "batch", "monitor", "train", "tune", "sources", "startup")
_WIDTH = 130
_HEAVY = {
    "tf": "tensorflow_model_analysis, tensorflow_transform, mlflow",
    "tfdv": "tensorflow_data_validation",
    "deploy": "mlflow",
    "serve": "kserve, tensorflow",
}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(_PARTS))
@click.option("--rows", default=0, help="A sample of about so many rows, for a quick look; 0: all of them.")
def main(parts: tuple[str, ...], rows: int) -> None:
    """Measure Penstock against TFX's LocalDagRunner and BulkInferrer, its server against KServe's, its monitoring against Evidently, how
    it scales, how fast training gets its rows, its search for hyperparameters against one training after another, tables against
    files, and how its images start.

    All PARTS unless some are named.

    Run it in a checkout of Penstock on a machine that does nothing else. Logs stay in build/benchmarks.

    Example: python -m benchmarks --rows 60000 tfx
    """
    console = Console(width=_WIDTH)
    if not FLIGHTS.is_dir():
        raise click.ClickException(f"the flights are not in {FLIGHTS}: run `make data/flights`")
    shutil.rmtree(FOLDER, ignore_errors=True)
    wanted = set(parts or _PARTS)
    if "startup" in wanted:
        startup.compare(FOLDER / "startup", console)
    if wanted == {"startup"}:
        return
    _warm_up(wanted)
    flights, csv, repeated = FOLDER / "flights", FOLDER / "csv", FOLDER / "repeated"
    _make("sample", FLIGHTS, flights, rows)
    _make("csv", flights, csv)
    console.print(machine.describe(), highlight=False)
    if "tfx" in wanted:
        _against_tfx(flights, csv, console)
    if "kserve" in wanted:
        with Place(FOLDER / "served", flights) as place:
            run = place.run("served")
            place.stop()
            peer_kserve.compare(run, FOLDER / "kserve", console)
    if "sources" in wanted:
        delta, iceberg = FOLDER / "delta", FOLDER / "iceberg"
        _make("delta", flights, delta)
        _make("iceberg", flights, iceberg)
        sources.compare(flights, delta, iceberg, FOLDER / "sources", console)
    if "train" in wanted:
        train.compare(_prepared(flights), FOLDER / "train", console)
    if wanted & {"scale", "batch", "monitor"}:
        _make("repeat", flights, repeated, scale.TIMES)
    if "batch" in wanted:
        _against_bulk_inferrer(flights, repeated, csv, console)
    if "monitor" in wanted:
        _against_evidently(flights, repeated, console)
    if "scale" in wanted:
        scale.compare(_prepared(flights), repeated, FOLDER / "scale", console)
        scale.ingest_csv(csv, FOLDER / "scale" / "csv", console)
    if "tune" in wanted:
        tuning.compare(_prepared(flights), FOLDER / "tune", console)


@functools.cache
def _prepared(flights: Path) -> dict[str, TaskRun]:
    """Runs the tasks up to the training, once for all parts that go on from there."""
    return scale.prepare(flights, FOLDER / "prepared")


def _against_tfx(flights: Path, csv: Path, console: Console) -> None:
    with Place(FOLDER / "penstock", flights) as place:
        runs = peer_tfx.run_ours(place)
    peer_tfx.compare(runs, csv, FOLDER / "tfx", console)


def _against_bulk_inferrer(flights: Path, repeated: Path, csv: Path, console: Console) -> None:
    numbered = [FOLDER / "numbered" / source.name for source in (flights, repeated)]
    for source, target in zip((flights, repeated), numbered, strict=True):
        _make("numbered", source, target)
    peer_bulk_inferrer.compare(_prepared(flights), csv, *numbered, FOLDER / "batch", console)


def _against_evidently(flights: Path, repeated: Path, console: Console) -> None:
    sides = []
    for name, source in {"x1": flights, f"x{peer_evidently.TIMES}": repeated}.items():
        folder = FOLDER / "monitored" / name
        _make("monitored", source, folder)
        sides.append(peer_evidently.Tables(folder / "log", folder / "window.parquet", folder / "reference.parquet", folder / "examples"))
    peer_evidently.compare(*sides, FOLDER / "monitor", console)


def _warm_up(parts: set[str]) -> None:
    """Makes the environments, and imports the heavy libraries once: neither side is to wait for the disk."""
    tfx = (peer_tfx.environment, peer_tfx.HEAVY)
    peers = {"tfx": tfx, "batch": tfx, "monitor": (peer_evidently.environment, "evidently.presets")}
    families = ["tf"] if parts == {"monitor"} else list(_HEAVY)
    made = [(environment(family), _HEAVY[family]) for family in families]
    for env, modules in made + [(make(), modules) for part, (make, modules) in peers.items() if part in parts]:
        env.make()
        measure.run([env.python, "-c", f"import {modules}"], FOLDER / f"{env.family}.log")


def _make(what: str, source: Path, target: Path, count: int = 0) -> None:
    measure.run([environment("tf").python, Path(__file__).with_name("tables.py"), what, source, target, str(count)], FOLDER / f"{what}.log")


if __name__ == "__main__":
    main()

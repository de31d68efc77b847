"""Runs the whole circle on the flights, on this machine, and draws it.

python -m tests.loop [--folder DIR]

A model of January to September serves. November's flights are asked of it, then December's. Its monitoring starts a training on April to
mid-December, whose candidate is compared with it on the rest of December, and pushed as a canary if it is better.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from penstock.components.data.local_runs import local_runs
from penstock.local.envs import environment
from penstock.pipelines import flight_delay

from ..command import COMMAND, variables
from ..ports import free_port
from .page import write_page

ROOT = Path(__file__).resolve().parents[2]
DATA, EXAMPLE = ROOT / "data" / "flights", ROOT / "pipelines" / "flight_delay"
MODEL = "flight_delay"
MONTHS = {"November": ("2013-11-01", "2013-12-01"), "December": ("2013-12-01", "2014-01-01")}
_ASKING = Path(__file__).with_name("asking.py")
KEY, LABEL = "flight_id", "is_late"
_SECONDS = 3600.0


def main() -> int:
    """Returns the exit code: 0 if every step did what it is for, whether or not the candidate was better."""
    parser = argparse.ArgumentParser(prog="python -m tests.loop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "loop", help="where to; what is there is removed")
    folder: Path = parser.parse_args().folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun = time.monotonic()
    circle = Circle(folder)
    try:
        circle.run()
    finally:
        circle.stop()
    print(f"\nthe circle took {time.monotonic() - begun:.0f} s; its page is {circle.page()}")
    return 0


class Circle:
    """The circle in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._runs, self._serving, self._log = folder, folder / "runs", folder / "serving", folder / "log"
        self._port = free_port()
        self._story: dict[str, Any] = {"asked": {}, "monitored": {}}

    def run(self) -> None:
        """Goes round once."""
        _tell("1. A model of January to September is trained, evaluated on October, and pushed")
        splits = {"train": ["2013-01-01", "2013-10-01"], "eval": ["2013-10-01", "2013-11-01"]}
        self._penstock("run", "training", self._values("champion", self._training(splits)), "--name", "champion")
        self._story["champion"] = self._blessing("champion")
        windows = {}
        for number, (month, days) in enumerate(MONTHS.items(), 2):
            _tell(f"{number}. {month}'s flights are asked of it")
            windows[month] = self._ask(month, *days)
        self.stop()  # which writes the rest of the log
        for number, (month, labels) in enumerate((("November", True), ("December", False), ("December", True)), 4):
            _tell(f"{number}. {month} is monitored, {'with' if labels else 'before there are'} labels")
            self._monitor(month, windows[month], labels)
        _tell("7. The training that the monitoring started")
        self._follow()
        (self._folder / "story.json").write_text(json.dumps(self._story, indent=1), encoding="utf-8")

    def stop(self) -> None:
        """Stops the model server."""
        subprocess.run([COMMAND, "serve", "stop", str(self._serving)], env=variables(), capture_output=True, check=False)

    def page(self) -> Path:
        """Draws the story."""
        return write_page(self._folder / "story.html", self._story)

    def _training(self, splits: dict[str, list[str]], **changed: Any) -> dict[str, Any]:
        return (
            flight_delay.parameters()
            | {
                "input_uri": f"{DATA}/*.parquet",
                "splits": splits,
                "destination": f"local://{self._serving}?port={self._port}",
                "serving_options": {"prediction_log": str(self._log), "prediction_log_sample": 1.0, "prediction_log_key": KEY},
            }
            | changed
        )

    def _again(self) -> dict[str, Any]:
        """Returns the parameters of the training that the monitoring may start."""
        splits = {"train": ["2013-04-01", "2013-12-16"], "eval": ["2013-12-16", "2014-01-01"]}
        canary = {"strategy": "canary", "traffic_steps": [25, 100], "bake_seconds": 5}
        return self._training(splits, eval_config=str(EXAMPLE / "eval_config_again.pbtxt"), **canary)

    def _ask(self, month: str, start: str, end: str) -> tuple[str, str]:
        url = f"http://127.0.0.1:{self._port}/v1/models/{MODEL}:predict"
        command = [environment("tf").python, _ASKING, DATA, start, end, url, self._folder / f"labels-{month}.parquet"]
        begun = datetime.now(timezone.utc)
        answers = int(subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True).stdout)
        ended = datetime.now(timezone.utc)
        self._story["asked"][month] = answers
        print(f"{answers:,} flights were answered in {(ended - begun).total_seconds():.0f} s", flush=True)
        return begun.isoformat(), ended.isoformat()

    def _monitor(self, month: str, window: tuple[str, str], with_labels: bool) -> None:
        name = f"monitoring-{month.lower()}{'-labels' if with_labels else ''}"
        evaluated = {"labels": str(self._folder / f"labels-{month}.parquet"), "label_key": KEY, "label_column": LABEL}
        values = {
            "logs": str(self._log),
            "model_name": MODEL,
            "destination": f"local://{self._serving}?port={self._port}",
            "reference_uri": str(self._runs / "champion" / "ingest-examples" / "examples"),
            "schema_file": str(EXAMPLE / "schema.pbtxt"),
            "window_start": window[0],
            "window_end": window[1],
            "trend_windows": 0,
            "monitoring_config": str(EXAMPLE / "monitoring_config.yaml"),
            "eval_config": str(EXAMPLE / "eval_config.pbtxt"),
            "on_degraded": "retrain",
            "runs_at": f"local://{self._runs}",
            "training_parameters": self._again(),
        } | (evaluated if with_labels else {})
        self._penstock("run", "monitoring", self._values(name, values), "--name", name)
        found = json.loads((self._runs / name / "monitor-model" / "monitoring" / "monitoring.json").read_text(encoding="utf-8"))
        self._story["monitored"][f"{month}, {'with' if with_labels else 'without'} labels"] = found
        print(f"verdict: {found['verdict']}", *(f"  {reason}" for reason in found["reasons"][:8]), sep="\n", flush=True)

    def _follow(self) -> None:
        end = time.monotonic() + _SECONDS
        while run := next((run for run in local_runs(self._runs) if run.name.startswith("retrain-")), None):
            if run.state != "running" or time.monotonic() > end:
                break
            time.sleep(1)
        if run is None:
            raise SystemExit("error: the monitoring of December started no training; its verdict is above")
        print((self._runs / f"{run.name}.log").read_text(encoding="utf-8"))
        receipt = self._runs / run.name / "push-model" / "pushed_model" / "receipt.json"
        self._story["retrained"] = {"name": run.name, "state": run.state, "reason": run.labels["reason"]} | {
            "blessing": self._blessing(run.name),
            "push": json.loads(receipt.read_text(encoding="utf-8")) if receipt.is_file() else None,
        }

    def _blessing(self, run: str) -> dict[str, Any]:
        file = self._runs / run / "evaluate-model" / "evaluation" / "blessing.json"
        return json.loads(file.read_text(encoding="utf-8"))

    def _values(self, name: str, values: dict[str, Any]) -> str:
        file = self._folder / f"{name}.json"
        file.write_text(json.dumps(values), encoding="utf-8")
        return str(file)

    def _penstock(self, verb: str, file: str, values: str, *options: str) -> None:
        command = [COMMAND, verb, file, "--params", values, "--root", str(self._runs), *options]
        print(f"$ penstock {verb} {file} --params {Path(values).name} {' '.join(options)}", flush=True)
        code = subprocess.run(command, cwd=self._folder, env=variables(), check=False).returncode
        if code:
            raise SystemExit(f"error: `penstock {verb} {file}` ended with the exit code {code}; what it says is above")


def _tell(step: str) -> None:
    print(f"\n== {step}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

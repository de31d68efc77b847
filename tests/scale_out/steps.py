"""The components that run on Beam, each with what it is given for the flights table."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.local.envs import environment
from penstock.local.task_code import module_command, module_variables
from penstock.pipelines import flight_delay

from ..families import ROOT

# These run on Beam as well; the others make what these read.
ON_BEAM = ("ingest_examples", "validate_examples", "transform_examples", "evaluate_model", "score_batch")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONWARNINGS": "ignore"}
KEY = "flight_id"
# TFMA's engine, which evaluates on Beam, takes minutes for a tenth of the rows.
_EVALUATED = [["scheduled_hour", "==", 8]]
_INGEST = ("input_format", "split_by", "split_key", "splits", "schema_file")
_BOUND = re.compile(r"(lower|upper)_bound { value: [0-9.]+ }")


@dataclass(frozen=True)
class Step:
    """One component.

    Attributes:
        name: Its name: the component, unless another step runs that one too.
        family: Its family.
        outputs: Its output artifacts.
        inputs: Its input artifacts: for each, the step that makes it, and the output's name there.
        parameters: Gives its parameters, from the example's and the folder of the raw rows.
        component: The component; empty: the name.
    """

    name: str
    family: str
    outputs: list[str]
    inputs: dict[str, tuple[str, str]] = field(default_factory=dict)
    parameters: Callable[[dict[str, Any], Any], dict[str, Any]] = lambda values, flights: {}
    component: str = ""


@dataclass(frozen=True)
class Run:
    """One run of a step.

    Attributes:
        folder: The folder of its output artifacts, each under its name.
        seconds: From the start of its process to the end.
        metadata: Each output artifact's metadata.
    """

    folder: Path
    seconds: float
    metadata: dict[str, dict[str, Any]]


def make_table(folder: Path, what: str, count: int) -> Path:
    """Makes the raw rows of the flights table, each with a key.

    Args:
        folder: Where; the rows without a key are beside it.
        what: `repeat` the table, or take a `sample`.
        count: How many times, or about how many rows.
    """
    plain = folder.with_name(f"{folder.name}-without-key")
    for command in ([what, ROOT / "data" / "flights", plain, str(count)], ["numbered", plain, folder]):
        subprocess.run([environment("tf").python, ROOT / "benchmarks" / "tables.py", *command], env=module_variables({}), check=True)
    return folder


def _ingested(values: dict[str, Any], flights: Any, excluded: list[str]) -> dict[str, Any]:
    return {"input_uri": f"{flights}/*.parquet", "exclude_columns": excluded} | {name: values[name] for name in _INGEST}


def _without_bounds() -> str:
    """Returns the example's EvalConfig with thresholds that every model passes: that of a hundred steps is to score too."""
    text = (ROOT / "pipelines" / "flight_delay" / "eval_config.pbtxt").read_text(encoding="utf-8")
    return _BOUND.sub(lambda bound: f"{bound[1]}_bound {{ value: {0 if bound[1] == 'lower' else 1e6} }}", text)


_EXAMPLES, _SCHEMA = {"examples": ("ingest_examples", "examples")}, {"schema": ("validate_examples", "schema")}
_TRANSFORMED = {name: ("transform_examples", name) for name in ("transform_graph", "transformed_examples")}
STEPS = (
    Step(
        "ingest_examples",
        "tf",
        ["examples"],
        parameters=lambda values, flights: _ingested(values, flights, [*values["exclude_columns"], KEY]),
    ),
    Step(
        "validate_examples",
        "tfdv",
        ["statistics", "schema", "anomalies", "report"],
        _EXAMPLES,
        lambda values, _: {"schema_file": values["schema_file"]},
    ),
    Step(
        "transform_examples",
        "tf",
        ["transformed_examples", "transform_graph", "updated_analyzer_cache"],
        _EXAMPLES | _SCHEMA,
        lambda values, _: {"module_file": values["preprocessing_module"]},
    ),
    Step(
        "train_model",
        "tf",
        ["model", "training_logs", "metrics"],
        _SCHEMA | {"transform_graph": _TRANSFORMED["transform_graph"], "examples": _TRANSFORMED["transformed_examples"]},
        lambda values, flights: {
            "module_file": values["trainer_module"],
            "seed": values["seed"],
            "train_steps": 100,
            "tracking_uri": f"sqlite:///{flights.parent}/mlflow.db",
        },
    ),
    Step(
        "ingest_for_evaluation",
        "tf",
        ["examples"],
        parameters=lambda values, flights: _ingested(values, flights, [*values["exclude_columns"], KEY]) | {"row_filter": _EVALUATED},
        component="ingest_examples",
    ),
    Step(
        "evaluate_model",
        "tf",
        ["evaluation", "metrics", "classification_metrics", "report"],
        _SCHEMA | {"examples": ("ingest_for_evaluation", "examples"), "model": ("train_model", "model")},
        lambda values, _: {"eval_config": _without_bounds()},
    ),
    Step(
        "ingest_with_key",
        "tf",
        ["examples"],
        parameters=lambda values, flights: _ingested(values, flights, values["exclude_columns"]),
        component="ingest_examples",
    ),
    Step(
        "score_batch",
        "tf",
        ["predictions", "report"],
        _SCHEMA
        | {"examples": ("ingest_with_key", "examples"), "model": ("train_model", "model"), "evaluation": ("evaluate_model", "evaluation")},
        lambda values, _: {"key_columns": [KEY]},
    ),
)


def run(
    step: Step,
    folder: Path,
    flights: Path | str,
    made: dict[str, Run],
    beam_pipeline_args: list[str] | None = None,
    uri: Callable[[Path], str] = str,
) -> Run:
    """Runs a step by the command that its container runs.

    Args:
        step: The step.
        folder: Where the folder of its outputs is made.
        flights: The path or URI of the folder of the raw rows.
        made: The steps that ran before.
        beam_pipeline_args: Beam's options. None: the component is not given any.
        uri: Gives the URI of an artifact, which this machine sees at a path.

    Raises:
        SystemExit: It failed; its last lines are the message.
    """

    def artifact(name: str, path: Path, metadata: dict[str, Any]) -> dict[str, Any]:
        return {"artifacts": [{"name": name, "uri": uri(path), "customPath": str(path), "metadata": metadata}]}

    inputs = {
        name: artifact(name, made[other].folder / output, made[other].metadata[output]) for name, (other, output) in step.inputs.items()
    }
    here = folder / step.name
    here.mkdir(parents=True)
    parameters = step.parameters(flight_delay.parameters(), flights)
    parameters |= {} if beam_pipeline_args is None else {"beam_pipeline_args": beam_pipeline_args}
    spec = {
        "inputs": {"parameterValues": parameters, "artifacts": inputs},
        "outputs": {
            "artifacts": {name: artifact(name, here / name, {}) for name in step.outputs},
            "outputFile": str(here / "executor_output.json"),
        },
    }
    module = f"penstock.components.{step.component or step.name}"
    command = module_command(environment(step.family).python, module, "--executor_input", json.dumps(spec))
    started = time.monotonic()
    with (here / "log.txt").open("wb") as log:
        done = subprocess.run(command, cwd=here, env=module_variables(QUIET), stdout=log, stderr=log, check=False)
    seconds = time.monotonic() - started
    if done.returncode:
        last = (here / "log.txt").read_text(errors="replace").splitlines()[-15:]
        raise SystemExit("\n".join([*last, f"error: {step.name} failed; all that it printed is in {here / 'log.txt'}"]))
    said = json.loads((here / "executor_output.json").read_text(encoding="utf-8"))["artifacts"]
    return Run(here, seconds, {name: value["artifacts"][0]["metadata"] for name, value in said.items()})

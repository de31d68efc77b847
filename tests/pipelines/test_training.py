"""`penstock run compiled/training.yaml`, from raw rows to a served model, as a person does it again and again."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from ..command import WARM_COMMAND, variables
from ..small_training import SmallTraining, fact, rows, states, typed, write_csv

CACHED = (
    "ingest-examples",
    "validate-examples",
    "require-verdict",
    "check-eval-config",
    "transform-examples",
    "choose-hyperparameters-2",
    "train-model",
    "evaluate-model",
    "check-serving",
)
SKIPPED = {"register-model": "skipped", "push-model": "skipped"}
TFX_MODULE = Path(__file__).resolve().parents[1] / "components" / "train_model" / "tfx_module.py"


def _answer(line: str) -> float:
    """Types the line that a run offers to try, and returns the probability that comes back."""
    ((probability,),) = json.loads(typed(line))["predictions"]
    assert 0 <= probability <= 1
    return probability


@pytest.fixture
def small(small_training: SmallTraining) -> SmallTraining:
    """The folder of the first run."""
    return small_training


def test_first_run_serves_a_blessed_model(small):
    done = small.first
    assert set(states(done).values()) == {"done", "skipped"}
    assert "no Baseline: no version has the alias champion" in done.stdout
    assert re.fullmatch(r"AUC 0\.9\d+: blessed", fact(done, "verdict"))
    assert re.fullmatch(r"256 rows answered as evaluated, p99 .* requests/s: passed", fact(done, "serving"))
    assert fact(done, "version") == "1"
    assert fact(done, "push") == "pushed"
    _answer(fact(done, "try it"))
    assert f"penstock serve stop {small.folder / 'serving'}" == fact(done, "stop it")


def test_every_task_of_it_says_what_it_took(small):
    prices = Path(__file__).resolve().parents[2] / "infra" / "prices" / "gcp.yaml"
    command = [WARM_COMMAND, "cost", fact(small.first, "run"), "--prices", str(prices), "--json"]
    bill = json.loads(subprocess.run(command, cwd=small.folder, env=variables(), capture_output=True, text=True, check=True).stdout)
    assert {task["task"] for task in bill["tasks"]} == {name for name, state in states(small.first).items() if state == "done"}
    assert all(task["used"]["cpu_seconds"] > 0 and task["cost"] > 0 and task["kwh"] > 0 for task in bill["tasks"])
    assert bill["requests_per_second"] > 0


def test_same_run_again_is_cached(small):
    started = time.monotonic()
    done = small.run()
    assert done.returncode == 0
    assert {name: state for name, state in states(done).items() if name in CACHED} == dict.fromkeys(CACHED, "cached")
    assert fact(done, "push") == "already_serving"
    assert time.monotonic() - started < 20


@pytest.mark.slow
def test_what_the_registry_is_asked_through_is_imported_once(small):
    """Three tasks that are never cached ask it: MLflow takes longer to import than all else that such a run does."""
    saying = {"PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(small.command(), cwd=small.folder, env=variables() | saying, capture_output=True, text=True, check=True)
    logs = {name: (Path(fact(done, "run")) / f"{name}.log").read_text() for name in ("resolve-baseline", "register-model", "push-model")}
    assert all("import time:" in log for log in logs.values()), "each says what it imports itself"
    assert not [name for name, log in logs.items() if re.search(r"\| +(mlflow|sqlalchemy)$", log, re.MULTILINE)]


@pytest.mark.slow
def test_drifted_span_fails_with_its_evidence(small, tmp_path):
    (statistics,) = Path(fact(small.first, "run")).glob("validate-examples/statistics")
    path = write_csv(tmp_path / "next.csv", rows(seed=1, farther=1500))
    before = small.released()
    done = small.run(input_uri=path, previous_statistics=statistics)
    assert done.returncode == 1
    assert states(done)["ingest-examples"] == "done", "other rows are read"
    assert "distance in Split" in done.stdout
    assert "drift" in done.stdout.lower()
    page = Path(fact(done, "report").removeprefix("file://"))
    assert "distance" in page.read_text()
    assert small.released() == before


@pytest.mark.slow
def test_no_thresholds_no_blessing(small, tmp_path):
    config = tmp_path / "eval_config.pbtxt"
    config.write_text('model_specs { label_key: "late" }\nmetrics_specs { metrics { class_name: "AUC" } }')
    before = small.released()
    done = small.run(eval_config=config)
    assert done.returncode == 3
    assert "not blessed" in fact(done, "verdict")
    assert "has no thresholds" in fact(done, "verdict")
    assert small.released() == before


@pytest.mark.slow
def test_fresh_run_is_compared_with_the_first_model(small):
    champion = str(small.registry()["aliases"]["champion"])
    done = small.run("--fresh", hyperparameters='{"steps": 120}')
    assert done.returncode == 0, done.stdout
    assert "cached" not in states(done).values()
    assert f"Baseline v{champion}" in done.stdout
    assert re.search(r"AUC 0\.9\d+ vs 0\.9\d+ baseline: blessed", fact(done, "verdict"))
    version = int(fact(done, "version"))
    assert small.registry()["aliases"] == {"challenger": version, "champion": version, "previous": int(champion)}
    _answer(fact(done, "try it"))


@pytest.mark.slow
def test_worse_candidate_is_not_released(small):
    before, answer = small.released(), _answer(fact(small.first, "try it"))
    done = small.run(hyperparameters='{"rate": -0.5}')
    assert done.returncode == 3
    assert "not blessed" in fact(done, "verdict")
    assert "the threshold is >= 0.8" in fact(done, "verdict")
    assert SKIPPED.items() <= states(done).items()
    assert small.released() == before
    assert _answer(fact(small.first, "try it")) == answer


@pytest.mark.slow
def test_model_that_serves_otherwise_than_it_was_evaluated_is_not_released(small, tmp_path):
    """Its answers are good enough for a blessing, but shrink as time goes by, so that none is given twice."""
    module = tmp_path / "trainer.py"
    shrinks = f"tf.cast(1 + (tf.timestamp() - {time.time()}) / 10, tf.float32)"
    answer = "tf.sigmoid(_matrix(transformed, transform) @ served.weights)"
    module.write_text((small.folder / "trainer.py").read_text().replace(answer, f"{answer} / {shrinks}"))
    before = small.released()
    done = small.run(trainer_module=module)
    assert done.returncode == 3, done.stdout
    assert fact(done, "verdict").endswith(": blessed")
    assert "256 of 256 rows have other answers than in the evaluation" in fact(done, "serving")
    assert {"check-serving": "done", **SKIPPED}.items() <= states(done).items()
    assert "check-serving.html" in done.stdout, "the evidence is kept"
    assert small.released() == before


@pytest.mark.slow
def test_tuned_model_is_better_than_the_given_hyperparameters(small):
    """With the given rate, no model is blessed; two shards of a search find one with which it is."""
    done = small.run(**small.tuned())
    assert done.returncode == 0, done.stdout
    assert re.search(r"choose-hyperparameters .*the best of 2 searches", done.stdout)
    assert re.fullmatch(r"AUC 0\.9\d+.*: blessed", fact(done, "verdict"))


@pytest.mark.slow
def test_tfx_module_from_raw_rows_to_curl(small):
    done = small.run(
        preprocessing_module=TFX_MODULE, trainer_module=TFX_MODULE, train_steps=60, eval_steps=2, model_name="tfx", experiment="tfx"
    )
    assert done.returncode == 0, done.stdout
    assert fact(done, "push") == "pushed"
    assert "b64" in fact(done, "try it"), "this model takes serialized tf.Examples"
    _answer(fact(done, "try it"))

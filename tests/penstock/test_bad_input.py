"""Bad input, through `penstock run` on the whole training pipeline: one clear line, nothing left, nothing released."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..command import WARM_COMMAND
from ..conftest import interpreter
from ..small_training import HEADER, SmallTraining, rows, states, write_csv
from ..waiting import until

COMPONENTS = Path(__file__).resolve().parents[2] / "compiled" / "components"
TASKS = [
    "ingest-examples",
    "check-eval-config",
    "validate-examples",
    "require-verdict",
    "transform-examples",
    "train-model",
    "resolve-baseline",
    "evaluate-model",
    "check-serving",
    "register-model",
    "push-model",
]


def one_of(*cases: tuple[Any, ...]) -> list[Any]:
    """Marks all cases but the first as slow: what each component says of bad input is tested with the component."""
    return [pytest.param(*case, marks=pytest.mark.slow if number else ()) for number, case in enumerate(cases)]


@pytest.fixture
def small(small_training: SmallTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallTraining]:
    """The folder of the good run; whatever the test does, nothing is released and nothing half-written is left."""
    monkeypatch.setattr(small_training, "options", ("--parallel", "1"))  # no process starts ahead for a task that never comes
    before = small_training.released()
    yield small_training
    assert small_training.released() == before
    assert small_training.unfinished() == []


def _fails(done: subprocess.CompletedProcess[str], task: str, *words: str) -> None:
    """Checks that a task failed with one line that has these words, and that nothing came after it."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"{task}: "))
    for word in words:
        assert word in line
    ended = states(done)
    assert ended[task] == "failed"
    after = "require-verdict" if task == "check-eval-config" else task  # the validation runs beside it
    assert {ended.get(later, "not run") for later in TASKS[TASKS.index(after) + 1 :]} <= {"not run"}
    (run,) = (Path(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("run  "))
    assert f"log: {run / task}.log" in line
    assert not (run / task / "executor_output.json").exists()


def _text(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _changed(column: str, change: Callable[[int, Any], Any]) -> list[list[Any]]:
    """Returns the good rows with another value in a column."""
    where = HEADER.index(column)
    return [[*row[:where], change(number, row[where]), *row[where + 1 :]] for number, row in enumerate(rows())]


def _good_csv() -> str:
    return "\n".join(",".join(map(str, row)) for row in [HEADER, *rows()]) + "\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    one_of(
        ("absent.csv", None, ["input_uri matches no file", "correct the path"]),
        ("empty.csv", "", ["empty.csv is empty", "write a header and rows"]),
        ("header.csv", ",".join(HEADER) + "\n", ["no rows"]),
        ("rows.parquet", b"PAR1 no Parquet", ["rows.parquet cannot be read as Parquet", "write it again"]),
        ("ragged.csv", _good_csv() + "train,1\n", ["ragged.csv is ragged", "Row #3002", "correct the row"]),
        ("semicolons.csv", _good_csv().replace(",", ";"), ["separated by ';'", "set delimiter"]),
        ("latin.csv", _good_csv().encode() + "train,1.0,5,Ä,0\n".encode("latin-1"), ["not UTF-8", "Row #3002", "convert it"]),
    ),
    ids=["missing", "empty", "header only", "parquet", "ragged", "delimiter", "not utf-8"],
)
def test_file_that_cannot_be_read(small, tmp_path, name, content, words):
    if content is not None:
        _text(tmp_path / name, content)
    _fails(small.run(input_uri=tmp_path / name), "ingest-examples", *words)


@pytest.mark.slow
def test_empty_split(small, tmp_path):
    path = write_csv(tmp_path / "train.csv", [row for row in rows() if row[0] == "train"])
    _fails(small.run(input_uri=path), "ingest-examples", "Split 'eval' is empty", "change splits")


@pytest.mark.parametrize(
    ("table", "header", "words"),
    one_of(
        ([[*row[:3], row[4]] for row in rows()], [name for name in HEADER if name != "carrier"], ["carrier in Split", "missing"]),
        ([[*row, 1] for row in rows()], [*HEADER, "extra"], ["extra in Split", "New column", "not in schema"]),
        (_changed("hour", lambda _, value: f"{value}h"), HEADER, ["hour in Split", "Expected data of type: INT but got STRING"]),
        (_changed("distance", lambda number, value: "inf" if number == 7 else value), HEADER, ["distance in Split", "inf"]),
        (_changed("distance", lambda number, value: "" if number == 7 else value), HEADER, ["distance in Split", "not always present"]),
        (_changed("carrier", lambda number, value: "ZZ" if number == 7 else value), HEADER, ["carrier in Split", "ZZ"]),
    ),
    ids=["missing column", "extra column", "changed type", "inf", "none", "unknown category"],
)
def test_rows_that_the_schema_forbids(small, tmp_path, table, header, words):
    path = write_csv(tmp_path / "rows.csv", table, header)
    done = small.run(input_uri=path)
    _fails(done, "require-verdict", *words, "correct the data or the Schema")
    assert states(done)["validate-examples"] == "done"
    assert "validate-examples.html" in done.stdout, "the evidence is kept"


@pytest.fixture
def nan(small, tmp_path) -> Path:
    """The good rows, one of them with NaN: CSV has no word for it, where `NaN` is nothing at all."""
    path = tmp_path / "rows.parquet"
    script = (
        "import sys, pyarrow.csv, pyarrow.parquet as parquet\n"
        "table = pyarrow.csv.read_csv(sys.argv[1])\n"
        "distance = table['distance'].to_pylist(); distance[7] = float('nan')\n"
        "parquet.write_table(table.set_column(1, 'distance', [distance]), sys.argv[2])"
    )
    subprocess.run([interpreter("PENSTOCK_TF_PYTHON"), "-c", script, str(small.data), str(path)], check=True)
    return path


@pytest.mark.slow
def test_nan_that_the_schema_forbids(small, nan):
    _fails(small.run(input_uri=nan), "require-verdict", "distance in Split train", "NaN", "correct the data or the Schema")


@pytest.mark.slow
def test_model_that_nan_has_ruined(small, tmp_path, nan):
    """Where the Schema lets NaN pass, modules have to deal with it; this one does not."""
    schema = _text(tmp_path / "schema.pbtxt", (small.folder / "schema.pbtxt").read_text().replace("disallow_nan: true", ""))
    done = small.run(input_uri=nan, schema_file=schema)
    _fails(done, "evaluate-model", "of the candidate is NaN for 1000 of 1000 rows", "correct the features")


@pytest.mark.slow
def test_category_that_the_schema_allows(small, tmp_path):
    """What is allowed passes the gate; the module that follows fails for its own reason, to end the run there."""
    path = write_csv(tmp_path / "rows.csv", _changed("carrier", lambda number, value: "ZZ" if number == 7 else value))
    schema = _text(tmp_path / "schema.pbtxt", (small.folder / "schema.pbtxt").read_text().replace('domain: "carriers"', ""))
    done = small.run(input_uri=path, schema_file=schema, preprocessing_module=_text(tmp_path / "none.py", "anything = 1\n"))
    _fails(done, "transform-examples", "has no function preprocessing_fn")
    assert states(done)["validate-examples"] == "done"
    assert "0 anomalies" in done.stdout


@pytest.mark.slow
def test_label_of_one_class(small, tmp_path):
    path = write_csv(tmp_path / "rows.csv", _changed("late", lambda *_: 0))
    _fails(small.run(input_uri=path), "check-eval-config", "label late is 0 in all 1,000 rows", "rows of every class")


@pytest.mark.slow
def test_split_of_one_row(small, tmp_path):
    table = [row for row in rows() if row[0] == "train"] + [next(row for row in rows() if row[0] == "eval")]
    path = write_csv(tmp_path / "rows.csv", table)
    _fails(small.run(input_uri=path, min_rows=100), "require-verdict", "Split eval", "1 examples")
    _fails(small.run(input_uri=path), "check-eval-config", "label late", "1 rows of Split 'eval'")


@pytest.mark.slow
def test_schema_that_does_not_parse(small, tmp_path):
    schema = _text(tmp_path / "schema.pbtxt", "feature { name: ")
    _fails(small.run(schema_file=schema), "ingest-examples", "schema_file is not a valid Schema", "1:17", "correct it")


_MODULES = {
    "raises": ("def {}(anything):\n    raise ValueError('no luck')\n", ["{} of module_file raised ValueError: no luck", "(line 2)"]),
    "syntax": ("def {}(anything)\n", ["SyntaxError", "(line 1)", "correct the module"]),
    "no function": ("anything = 1\n", ["has no function {}", "module contract"]),
    "import": ("import nothing_of_this_name\n", ["ModuleNotFoundError", "nothing_of_this_name", "(line 1)"]),
}


@pytest.mark.parametrize("what", one_of(*((what,) for what in _MODULES)))
@pytest.mark.parametrize(
    ("parameter", "function", "task"),
    one_of(("trainer_module", "run_fn", "train-model"), ("preprocessing_module", "preprocessing_fn", "transform-examples")),
    ids=["run_fn", "preprocessing_fn"],
)
def test_module_that_does_not_work(small, tmp_path, parameter, function, task, what):
    source, words = _MODULES[what]
    module = _text(tmp_path / "module.py", source.format(function))
    _fails(small.run(**{parameter: module}), task, *(word.format(function) for word in words))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "words"),
    one_of(
        ('metrics_specs { metrics { class_name: "AUK" threshold { value_threshold { lower_bound { value: 0.5 } } } } }', ["'AUK'", "AUC?"]),
        (
            'metrics_specs { metrics { class_name: "AUC" } thresholds { key: "accuracy" value { value_threshold { lower_bound { value: 1 } } } } }',
            ["threshold for the metric 'accuracy'", "add the metric"],
        ),
    ),
    ids=["no such metric", "not among the metrics"],
)
def test_threshold_for_a_metric_that_does_not_exist(small, tmp_path, config, words):
    path = _text(tmp_path / "eval_config.pbtxt", 'model_specs { label_key: "late" }\n' + config)
    _fails(small.run(eval_config=path), "check-eval-config", "eval_config", *words)


@pytest.fixture
def damaged_baseline(small) -> Iterator[Path]:
    """The champion's files, one of which is gone for the time of the test."""
    with contextlib.closing(sqlite3.connect(small.root / "mlflow.db")) as connection:
        ((source,),) = connection.execute(
            "SELECT source FROM model_versions JOIN registered_model_aliases USING (name, version) WHERE name = 'small' AND alias = 'champion'"
        )
    file = Path(source) / "variables" / "variables.index"
    kept = file.rename(small.folder / "variables.index")
    yield Path(source)
    kept.rename(file)


@pytest.mark.slow
def test_baseline_that_does_not_load(small, tmp_path, damaged_baseline):
    other = {"hyperparameters": '{"rate": -0.1}'}
    done = small.run(**other)
    _fails(done, "resolve-baseline", "Baseline of small is broken", str(damaged_baseline), "on_broken_baseline=ignore")
    ignored = small.run(**other, on_broken_baseline="ignore")
    assert ignored.returncode == 3, ignored.stdout
    assert "the Baseline is broken" in ignored.stdout
    assert states(ignored)["evaluate-model"] == "done"


def test_port_in_use(small, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = small.run(destination=f"local://{tmp_path}/serving?port={port}")
    _fails(done, "push-model", f"cannot listen on port {port}", "end what uses it or choose another port")
    assert not list((tmp_path / "serving").rglob("saved_model.pb"))


@pytest.fixture
def unreachable_cluster(tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """A person's kubeconfig for a cluster that is not there; its URL."""
    url = f"http://127.0.0.1:{free_port}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "away",
        "contexts": [{"name": "away", "context": {"cluster": "away", "user": "me"}}],
        "clusters": [{"name": "away", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
    }
    monkeypatch.setenv("KUBECONFIG", str(_text(tmp_path / "kubeconfig", json.dumps(config))))
    return url


def test_cluster_that_cannot_be_reached(small, unreachable_cluster):
    done = small.run(destination="kserve://models/small?mode=standard&storage=s3://bucket/models")
    _fails(done, "push-model", f"the cluster at {unreachable_cluster} does not answer", "check that it runs and can be reached from here")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"model_name": "driver's"}, ["parameter model_name", "driver's", "cannot be part of a URL"]),
        ({"destination": "mars://models/small"}, ["destination 'mars://models/small' is invalid", "kserve://NAMESPACE/NAME"]),
        ({"destination": "kserve://models/Not_A_Name"}, ["parameter destination", "'Not_A_Name'", "DNS-1123"]),
        ({"destination": f"kserve://team/{'n' * 40}?mode=standard"}, ["parameter destination", "at most 39"]),
        ({"destination": f"kserve://team/{'n' * 47}"}, ["parameter destination", "at most 46"]),
        ({"destination": f"kserve://{'n' * 43}/flights?mode=standard"}, ["parameter destination", "leaves no characters"]),
        ({"destination": "kserve://team/flights?mode=Standard"}, ["parameter destination", "mode=Standard", "give knative or standard"]),
    ],
    ids=["model", "scheme", "name", "too long", "too long for any mode", "no room", "mode"],
)
def test_a_name_that_the_release_would_refuse_is_refused_before_anything_runs(small, parameters, words):
    done = small.run(**parameters)
    assert (done.returncode, done.stdout) == (2, "")
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input_url": "x"}, "training.yaml has no parameter input_url; did you mean input_uri?"),
        ({"min_rows": "some"}, "parameter min_rows must be a whole number, not 'some'"),
    ],
    ids=["unknown", "wrong type"],
)
def test_parameter_that_does_not_fit(small, changed, message):
    done = small.run(**changed)
    assert done.returncode == 2
    assert done.stderr == f"error: {message}\n"
    assert done.stdout == ""


def test_yaml_that_is_no_pipeline(small, tmp_path):
    done = subprocess.run(
        [WARM_COMMAND, "run", _text(tmp_path / "other.yaml", "name: value\n")],
        cwd=small.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "other.yaml is not a compiled pipeline" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def full_disk(tmp_path: Path, mount_disk: Callable[[Path, str], Path]) -> Path:
    """A disk with room for the start of a run."""
    return mount_disk(tmp_path / "disk", "64k")


def test_full_disk(penstock, small, tmp_path, full_disk):
    data = write_csv(tmp_path / "rows.csv", rows(20_000))
    run = ("run", COMPONENTS / "ingest_examples.yaml", "--param", f"input_uri={data}", "--root", full_disk)
    _fails(penstock(*run), "ingest-examples", "cannot write", "free some space and run the task again")
    assert not list(full_disk.rglob("*.parquet"))
    subprocess.run(["mount", "-o", "remount,size=16m", full_disk], check=True)
    assert penstock(*run).returncode == 0


@pytest.fixture
def half_trained(small, tmp_path) -> Iterator[tuple[subprocess.Popen, int]]:
    """A run, and the process of its trainer, which has written half a model."""
    pid = tmp_path / "pid"
    module = _text(
        tmp_path / "slow.py",
        "import os, pathlib, time\n"
        "def run_fn(fn_args):\n"
        "    model = pathlib.Path(fn_args.serving_model_dir)\n"
        "    model.mkdir(parents=True)\n"
        "    (model / 'saved_model.pb').write_text('half')\n"
        f"    pathlib.Path({str(pid)!r}).write_text(str(os.getpid()) + '.')\n"
        "    time.sleep(600)\n",
    )
    process = small.start(trainer_module=module)
    until(lambda: pid.exists() and pid.read_text().endswith("."), seconds=300)
    yield process, int(pid.read_text()[:-1])
    process.kill()
    process.wait()


def test_task_killed_in_the_middle(small, half_trained):
    process, trainer = half_trained
    os.kill(trainer, signal.SIGKILL)
    told = next(line for line in process.stdout if "ended by signal 9" in line)
    assert told.startswith("train-model: ")
    assert "it starts again soon" in told
    assert small.unfinished() == []
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


@pytest.mark.parametrize(("number", "code"), one_of((signal.SIGINT, 130), (signal.SIGTERM, 143)))
def test_run_ended_in_the_middle(small, half_trained, number, code):
    process, _ = half_trained
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert "interrupted; finished tasks are cached" in output
    assert "Traceback" not in output


def test_the_next_good_run_works(small_training):
    """After all that is above, and without cleaning up."""
    done = small_training.run()
    assert done.returncode == 0, done.stdout
    assert states(done)["train-model"] == "cached"

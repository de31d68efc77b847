"""`penstock run` on Penstock's own components, each alone."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from kfp import dsl

from penstock.components import ingest_examples, validate_examples

from ...command import WARM_COMMAND, variables
from ..pipelines import compiled, read, to

COMPILED = Path(__file__).resolve().parents[3] / "compiled" / "components"


@pytest.fixture
def rows(tmp_path) -> Path:
    """A CSV file with 300 rows."""
    path = tmp_path / "rows.csv"
    path.write_text("key,value\n" + "".join(f"{number},{number % 7}\n" for number in range(300)))
    return path


@pytest.fixture
def ingest(penstock, rows):
    """Returns `ingest(*options)`: runs ingest_examples over the rows."""
    return lambda *options: penstock("run", COMPILED / "ingest_examples.yaml", "--param", f"input_uri={rows}", *options)


def _examples(folder: Path) -> list[Path]:
    return sorted((folder / "local_outputs").glob("ingest-examples-*/ingest-examples/examples"))


def test_component_alone(ingest, tmp_path):
    done = ingest()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "300 rows" in done.stdout
    (examples,) = _examples(tmp_path)
    content = json.loads((examples.parent / "executor_output.json").read_text())
    assert content["parameterValues"]["rows"] == 300
    assert (examples.parent.parent / "ingest-examples.log").exists()


def test_same_file_is_cached_and_a_changed_one_is_not(ingest, rows, tmp_path):
    ingest()
    assert "  cached" in ingest().stdout
    with rows.open("a") as file:
        file.write("300,1\n")
    done = ingest()
    assert "  cached" not in done.stdout
    assert "301 rows" in done.stdout
    assert len(_examples(tmp_path)) == 2


def test_another_parameter_is_not_cached(ingest):
    ingest()
    assert "  cached" not in ingest("--param", 'splits={"all": 1}').stdout


def test_same_rows_written_again_are_read_again(ingest, rows):
    ingest()
    os.utime(rows, ns=(1, 1))
    assert "  cached" not in ingest().stdout


def test_artifact_of_an_earlier_run_as_input(ingest, penstock, tmp_path):
    ingest()
    (examples,) = _examples(tmp_path)
    done = penstock("run", COMPILED / "validate_examples.yaml", "--param", f"examples={examples}")
    assert done.returncode == 0, done.stdout + done.stderr
    (page,) = (tmp_path / "local_outputs").glob("validate-examples-*/reports/validate-examples.html")
    assert page.as_uri() in done.stdout
    assert "<html" in page.read_text()


@dsl.pipeline(name="validated")
def validated(input_uri: str):
    validate_examples(examples=ingest_examples(input_uri=input_uri).outputs["examples"])


def _run_watched(tmp_path: Path, *options: str) -> tuple[int, set[str]]:
    """Runs the pipeline, and returns its exit code and the components that a process imported ahead meanwhile; none is left."""
    command = [WARM_COMMAND, "run", str(compiled(validated, tmp_path)), "--param", f"input_uri={tmp_path / 'rows.csv'}", *options]
    ours, seen = f"sqlite:///{tmp_path}/", set()

    def waiting() -> set[str]:
        listed = subprocess.run(["ps", "axeww", "-o", "stat=,args="], capture_output=True, text=True, check=True).stdout
        found = (line for line in listed.splitlines() if ours in line and not line.startswith("Z"))
        return {name for line in found for name in re.findall(r"protocol\.fork_server penstock\.components\.(\w+)\.task", line)}

    with subprocess.Popen(command, cwd=tmp_path, env=variables(), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            seen |= waiting()
            time.sleep(0.2)  # a task takes longer, and listing processes takes the core that it needs
    assert not waiting()
    return process.returncode, seen


@pytest.mark.slow
def test_what_was_imported_ahead_gives_the_same_bytes(rows, tmp_path):
    assert _run_watched(tmp_path) == (0, {"validate_examples"})
    assert _run_watched(tmp_path) == (0, set()), "of what is cached, nothing is started"
    assert _run_watched(tmp_path, "--fresh", "--parallel", "1") == (0, set())
    for task in ("ingest-examples", "validate-examples"):
        content = [json.loads(path.read_text()) for path in sorted(tmp_path.glob(f"local_outputs/validated-*/{task}/executor_output.json"))]
        ahead, one_by_one = (
            {name: entry["artifacts"][0]["metadata"].get("fingerprint") for name, entry in each["artifacts"].items()} for each in content
        )
        assert ahead == one_by_one
        assert any(ahead.values())


def test_after_a_failure_no_process_waits(rows, tmp_path):
    rows.write_text("a,b\n1,2\n3\n")
    assert _run_watched(tmp_path)[0] == 1


def test_an_artifact_that_was_changed_is_refused(ingest, penstock, tmp_path):
    """And so is one that links to what may change; a link to an artifact is as good as the artifact."""

    def validate(path: Path) -> subprocess.CompletedProcess[str]:
        return penstock("run", COMPILED / "validate_examples.yaml", "--param", f"examples={path}", "--fresh")

    ingest()
    (examples,) = _examples(tmp_path)
    (tmp_path / "latest").symlink_to(examples)
    assert validate(tmp_path / "latest").returncode == 0
    part = examples / "Split-train" / "part-00000.parquet"
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    linked = validate(examples)
    assert linked.returncode == 1
    assert f"{part} is a link" in linked.stdout + linked.stderr
    part.unlink()
    shutil.copy(examples / "Split-eval" / "part-00000.parquet", part)
    changed = validate(tmp_path / "latest")
    assert changed.returncode == 1
    assert f"the artifact at {examples} does not match its metadata" in changed.stdout + changed.stderr


def test_any_file_as_input_artifact(penstock, tmp_path):
    (tmp_path / "data.txt").write_text("of a person")
    done = penstock("run", compiled(read, tmp_path), "--param", "artifact=data.txt", "--param", f"folder={to(tmp_path)}")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "read").read_text() == "of a person\n"


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "{",
        "[]",
        "1",
        "\xff",
        *(
            f'{{"artifacts": {entry}}}'
            for entry in (
                "[]",
                '{"data.txt": 1}',
                '{"data.txt": {"artifacts": [1]}}',
                '{"data.txt": {"artifacts": [{"metadata": []}]}}',
                '{"data.txt": {"artifacts": {"0": 1}}}',
                '{"data.txt": {"artifacts": [{"metadata": {"a": 1' + "0" * 400 + "}}]}}",
            )
        ),
    ],
)
def test_artifact_of_a_person_beside_a_damaged_record(penstock, tmp_path, metadata):
    (tmp_path / "data.txt").write_text("of a person")
    (tmp_path / "executor_output.json").write_text(metadata, encoding="latin-1")
    done = penstock("run", compiled(read, tmp_path), "--param", "artifact=data.txt", "--param", f"folder={to(tmp_path)}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: input artifact artifact: ")
    assert "executor_output.json" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "read").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [([], "input artifact examples of validate_examples.yaml is missing"), (["examples=absent"], "absent does not exist")],
)
def test_missing_artifact(penstock, given, message):
    done = penstock("run", COMPILED / "validate_examples.yaml", *(item for value in given for item in ("--param", value)))
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "matches no file"), ("", "rows.csv"), ("a,b\n1,2\n3\n", "rows.csv"), ("a,b\n1,\xff\n", "rows.csv")],
    ids=["missing", "empty", "ragged", "not utf-8"],
)
def test_bad_input_is_one_line_and_the_next_good_run_works(ingest, rows, tmp_path, text, message):
    good = rows.read_text()
    rows.unlink() if text is None else rows.write_bytes(text.encode("latin-1"))
    done = ingest()
    assert done.returncode == 1
    assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert not _examples(tmp_path)
    rows.write_text(good)
    assert ingest().returncode == 0


def test_a_task_that_gave_its_reason_is_not_tried_again(penstock, tmp_path):
    @dsl.pipeline(name="mistaken")
    def mistaken():
        ingest_examples(input_uri=str(tmp_path / "nowhere.csv")).set_retry(2, backoff_duration="3000s")

    done = penstock("run", compiled(mistaken, tmp_path))
    assert done.returncode == 1
    assert "nowhere.csv" in done.stdout
    (log,) = (tmp_path / "local_outputs").glob("mistaken-*/ingest-examples.log")
    assert log.read_text().count("[penstock-error]") == 1

"""`python -m tests.recordings`, against a Kubeflow; what it writes is replayed. (That for KServe is tested where its double is.)"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from penstock.cli import main

from ..command import variables
from ..doubles.kubeflow.double import KubeflowDouble
from ..doubles.kubeflow.recorded import Recorded
from ..penstock.pipelines import compiled, gate, to
from .cleaning import cleaned

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.recordings"]


def recorder(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=ROOT,
        env=variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def types(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(words))
    return done.exit_code, done.output


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What an installation says of a run that has ended, and the recording of it."""
    monkeypatch.chdir(tmp_path)
    with KubeflowDouble(tmp_path / "kubeflow") as double:
        where = ["--target", "kubeflow", "--host", double.url]
        _, output = types("submit", str(compiled(gate, tmp_path)), *where, "-p", f"folder={to(tmp_path)}", "--wait")
        run_id = re.search(r"^submitted +(\S+)$", output, re.MULTILINE)[1]
        done = recorder("kubeflow", run_id, tmp_path / "recorded.json.gz", "--host", double.url)
        assert done.returncode == 0, done.stderr
        assert f"run {run_id}, SUCCEEDED, logs of " in done.stdout
        return {"run_id": run_id} | {verb: types("runs", verb, run_id, *words, *where) for verb, words in COMMANDS.items()}


COMMANDS = {"show": [], "logs": ["say"]}


def test_a_recorded_run_is_shown_as_the_run_itself(printed: dict[str, Any], tmp_path: Path) -> None:
    recorded = Recorded("recorded", tmp_path)
    assert recorded.run_id == printed["run_id"]
    with KubeflowDouble(tmp_path / "another") as another:
        another.replay(recorded)
        for verb, words in COMMANDS.items():
            code, output = types("runs", verb, printed["run_id"], *words, "--target", "kubeflow", "--host", another.url)
            assert (code, _without_ports(output)) == (printed[verb][0], _without_ports(printed[verb][1]))
        assert len(recorded.asked) == 1


def _without_ports(output: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+", "HOST", output)


def test_a_run_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with KubeflowDouble(tmp_path / "kubeflow") as double:
        done = recorder("kubeflow", "8b2a1c4e-0000-4000-8000-000000000000", tmp_path / "none.json.gz", "--host", double.url)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "has no run 8b2a1c4e" in done.stderr
    assert not (tmp_path / "none.json.gz").exists()


def test_secrets_are_left_out() -> None:
    pod = {"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "a"}, {"name": "PORT", "value": "b"}], "password": "c", "secretName": "d"}
    assert cleaned(pod) == {
        "env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "***"}, {"name": "PORT", "value": "b"}],
        "password": "***",
        "secretName": "d",
    }
    assert cleaned("Authorization: Bearer abc.def") == "Authorization: Bearer ***"
    assert cleaned("postgresql://me:mine@host/db") == "postgresql://***@host/db"
    assert cleaned({"valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}}) == {
        "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}
    }

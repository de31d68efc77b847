"""The files that Penstock comes with, by name, for every command that takes one."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from penstock.spec.compiled_files import compiled_files

ROOT = Path(__file__).resolve().parents[3]
TRAINING = ROOT / "compiled" / "training.yaml"
TAKING = (
    ["run"],
    ["lint"],
    *([*words, "--target", "kubeflow"] for words in (["submit"], ["upload"], ["schedule", "create", "--cron", "0 6 * * *"])),
)


def test_every_compiled_file_has_a_name_of_its_own():
    files = {path.relative_to(ROOT / "compiled").with_suffix("").as_posix(): path for path in (ROOT / "compiled").rglob("*.yaml")}
    assert compiled_files() == files
    assert len({Path(name).name for name in files}) == len(files), "a component's name will do without its folder"


@pytest.mark.parametrize(
    ("name", "file"),
    [("training", "training"), ("components/push_model", "components/push_model"), ("push_model", "components/push_model")],
)
def test_a_name_is_enough(penstock, name, file):
    assert penstock("lint", name).stdout.splitlines()[0] == str(ROOT / "compiled" / f"{file}.yaml")


def test_a_file_that_is_there_wins(penstock, tmp_path):
    (tmp_path / "training").write_bytes((ROOT / "compiled" / "promote_or_rollback.yaml").read_bytes())
    assert penstock("lint", "training").stdout.splitlines()[0] == "training"


def test_a_folder_of_the_same_name_does_not(penstock, tmp_path):
    (tmp_path / "training").mkdir()
    assert penstock("lint", "training").stdout.splitlines()[0] == str(TRAINING)


def test_a_pipe_is_a_file(penstock, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(TRAINING.read_bytes(),), daemon=True)
    writer.start()
    done = penstock("lint", "pipe")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", TAKING, ids=" ".join)
def test_every_command_that_takes_a_file_knows_the_names(penstock, words):
    assert_lists_the_names(penstock(*words, "push_modle"), "cannot read push_modle: No such file or directory; did you mean push_model? ")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("compiled/training.yaml", "did you mean training? "),
        ("../training", "cannot read ../training: No such file or directory; did you mean training? "),
        ("s3://user:secret@host/training.yaml", "cannot read s3://***@host/training.yaml: "),
        (".", "cannot read .: it is a folder; "),
        ("x" * 5000, ": File name too long; "),
    ],
)
def test_what_is_neither_is_one_line_that_lists_the_names(penstock, given, message):
    assert_lists_the_names(penstock("lint", given), message)


def assert_lists_the_names(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert "secret" not in done.stderr
    assert all(name in done.stderr for name in compiled_files())

"""The other commands, as a person types them."""

import os
import shutil
from pathlib import Path

import click
import pytest

import penstock.components as library
from penstock.cli import main

ROOT = Path(__file__).resolve().parents[3]


def _commands(group: click.Group, path: str = "penstock"):
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), list(_commands(main)), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_has_help_with_an_example_of_itself(path, command):
    example = (command.help or "").partition("Example")[2]
    assert path in example


def test_help_is_quick(penstock):
    penstock("--help")
    before = os.times()
    assert penstock("--help").returncode == 0
    after = os.times()
    assert after.children_user - before.children_user < 1, "it must not import kfp"


def test_components_lists_every_component(penstock):
    listed = penstock("components").stdout
    assert [line.split()[0] for line in listed.splitlines()] == library.__all__


def test_components_shows_one(penstock):
    shown = penstock("components", "train_model").stdout
    assert "module_file" in shown
    assert "Input artifacts" in shown
    done = penstock("components", "train")
    assert done.returncode == 1
    assert "there is no component train" in done.stderr


def test_doctor_says_what_it_looked_at(penstock):
    done = penstock("doctor")
    assert done.returncode in (0, 1)
    assert all(line.startswith(("ok ", "MISSING ")) for line in done.stdout.splitlines())
    assert (done.returncode == 1) == ("MISSING" in done.stdout)


def test_doctor_finds_a_cache_that_cannot_be_written(penstock, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path / "file" / "cache"))
    done = penstock("doctor")
    assert done.returncode == 1
    assert "set PENSTOCK_CACHE to a folder that you may write to" in done.stdout


def test_compile_outside_a_checkout(penstock):
    done = penstock("compile")
    assert done.returncode == 1
    assert "is not a checkout of Penstock" in done.stderr


def test_compile_check_finds_what_was_edited_and_compile_restores_it(penstock, tmp_path):
    shutil.copytree(ROOT / "compiled", tmp_path / "compiled")
    (tmp_path / "components").mkdir()
    for path in [ROOT / "README.md", *(ROOT / "components").glob("*/README.md")]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
    penstock("compile")
    edited, stale = tmp_path / "compiled" / "training.yaml", tmp_path / "compiled" / "gone.yaml"
    before = edited.read_text()
    edited.write_text(before + "# edited\n")
    stale.write_text("")
    done = penstock("compile", "--check")
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["not up to date: compiled/gone.yaml", "not up to date: compiled/training.yaml"]
    assert penstock("compile").returncode == 0
    assert edited.read_text() == before
    assert not stale.exists()
    assert penstock("compile", "--check").returncode == 0


@pytest.mark.parametrize(
    "typed",
    [
        "run training -p https://u:SECRET@h",
        "run training --runner https://u:SECRET@h",
        "run training --params https://u:SECRET@h",
        "run train_model -p train_args=https://u:SECRET@h",
        f"run train_model -p train_args=https://u:{'SECRET' * 60}@h",
        "run https://u:SECRET@h/x.yaml",
        "submit training --target u:SECRET@h",
        "status local://u:SECRET@h?x=1",
        "rollback https://u:SECRET@h",
    ],
)
def test_no_message_about_what_was_typed_tells_a_secret(penstock, typed):
    done = penstock(*typed.split())
    assert done.returncode == 2
    assert "SECRET" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr

"""The families' environments: which lock, which Python, made once and to the end."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.errors import UserError
from penstock.local import envs, interpreters
from penstock.local.envs import Environment, environment

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def small(tmp_path) -> Environment:
    """An environment with one small package, in a cache of its own."""
    lock = ROOT / "requirements" / "pytest.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Environment("tf", lock, version, sys.executable, tmp_path / "envs" / "tf-small")


def test_make(small):
    assert not small.ready
    small.make()
    assert small.ready
    done = subprocess.run([small.python, "-c", "import pytest; print(pytest.__file__)"], capture_output=True, text=True, check=True)
    package = Path(done.stdout.strip()).parent
    assert package.is_relative_to(small.path)
    assert list(package.glob("__pycache__/*.pyc")), "the first import needs no compiling"


def test_what_is_there_is_not_made_again(small):
    made = []
    small.make(made.append)
    small.make(made.append)
    assert made == [small]


def test_what_was_left_unfinished_is_made_again(small):
    small.make()
    (small.path / ".complete").unlink()
    shutil.rmtree(next(small.path.glob("lib/python*/site-packages/pytest")))
    small.make()
    subprocess.run([small.python, "-c", "import pytest"], check=True)


def test_concurrent_makers_make_it_once(small):
    made = []
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: replace(small).make(made.append), range(4)))
    assert len(made) == 1
    assert small.ready


def test_remove(small):
    small.make()
    small.remove()
    assert not small.path.exists()


def test_a_lock_whose_hash_is_wrong_is_refused_in_one_line(small, tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text(f"iniconfig==2.3.1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(UserError, match="cannot create the tf environment"):
        replace(small, lock=lock).make()
    assert not small.ready


def test_extra_packages_make_an_environment_of_its_own(small, monkeypatch, tmp_path):
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path))
    extra = tmp_path / "extra.txt"
    extra.write_text(next(line for line in small.lock.read_text().replace("\\\n", "").splitlines() if line.startswith("iniconfig")))
    assert environment("tf", extra).path != environment("tf").path
    item = replace(small, extra=extra)
    item.make()
    assert item.ready
    extra.write_text(f"pytest==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(UserError, match=r"cannot create the tf environment.*pytest"):
        replace(small, extra=extra, path=tmp_path / "other").make()
    extra.write_text("iniconfig\n")
    with pytest.raises(UserError, match="cannot create the tf environment"):
        replace(small, extra=extra, path=tmp_path / "unhashed").make()
    with pytest.raises(UserError, match="cannot read the extra packages"):
        environment("tf", tmp_path / "none.txt")


def test_an_environment_is_named_by_its_lock_and_python(monkeypatch, tmp_path):
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path))
    item = environment("deploy")
    assert item.path.parent == tmp_path / "envs"
    assert item.version.replace(".", "") in item.path.name
    assert item.lock == ROOT / "images" / "deploy" / "requirements.txt"


@pytest.mark.parametrize(
    ("glibc", "lock"),
    [
        ((2, 36), "requirements-tfdv1.16.txt"),
        ((2, 38), "requirements-tfdv1.16.txt"),
        ((2, 39), "requirements.txt"),
        ((0, 0), "requirements-tfdv1.16.txt"),
    ],
)
def test_tfdv_lock_fits_the_c_library(monkeypatch, glibc, lock):
    monkeypatch.setattr(envs, "glibc_version", lambda: glibc)
    assert envs.lock_name("tfdv") == lock
    assert envs.lock_name("tf") == "requirements.txt"


@pytest.mark.parametrize(
    ("glibc", "choice"),
    [((2, 36), "TFDV 1.16.1: glibc 2.36 is older than 2.39"), ((2, 41), "TFDV 1.21.0: glibc 2.41 is not older than 2.39")],
)
def test_the_choice_of_tfdv_is_explained(monkeypatch, glibc, choice):
    monkeypatch.setattr(envs, "glibc_version", lambda: glibc)
    assert envs.tfdv_choice() == choice


def test_no_gpu_no_gpu_libraries(monkeypatch, tmp_path):
    monkeypatch.setattr(envs, "_NVIDIA", (tmp_path / "nothing",))
    assert environment("tf-gpu") == environment("tf")
    monkeypatch.setattr(envs, "_NVIDIA", ("/",))
    assert environment("tf-gpu").family == "tf-gpu"


def test_no_python_that_fits_is_one_line_with_the_fix(monkeypatch):
    monkeypatch.setattr(interpreters, "running_version", lambda: "3.13")
    with pytest.raises(UserError, match=r"this machine has no Python 3\.0 or 3\.1,.*install one"):
        interpreters.find_python("3.0", "3.1")


def test_commands(penstock, tmp_path):
    listed = penstock("envs", "list")
    assert listed.returncode == 0
    assert {line.split()[0] for line in listed.stdout.splitlines()} >= {"tfdv", "tf", "deploy", "serve"}
    assert listed.stdout.splitlines()[-1] == envs.tfdv_choice()
    python = penstock("envs", "python", "deploy").stdout.strip()
    assert os.access(python, os.X_OK)
    assert penstock("envs", "make", "nonsense").returncode == 2

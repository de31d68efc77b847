"""What `penstock run` takes from its cache, and what it never does."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl

import penstock as package
import penstock.components as library
from penstock.local.caches import cache_root
from penstock.spec.contents import content, names_elsewhere

from ...command import variables
from ..pipelines import compiled, to

CACHED = "  cached"
COMPILED = Path(__file__).resolve().parents[3] / "compiled" / "components"
OF_0_1_0 = Path(__file__).parent / "golden" / "cache-entry-0.1.0.json"


@dsl.component(base_image="python:3.11")
def count(folder: str, number: dsl.OutputPath(int), artifact: dsl.Output[dsl.Dataset]):  # type: ignore[valid-type]
    from pathlib import Path

    with (Path(folder[3:]) / "runs").open("a") as runs:
        runs.write("x")
    Path(number).write_text("7")
    (Path(artifact.path) / "part").mkdir(parents=True)
    (Path(artifact.path) / "part" / "rows").write_text("a,b")


@dsl.component(base_image="python:3.11")
def link(folder: str, artifact: dsl.Output[dsl.Dataset]):
    from pathlib import Path

    rows = Path(folder[3:]) / "rows"
    rows.write_text("a,b")
    Path(artifact.path).mkdir(parents=True)
    (Path(artifact.path) / "rows").symlink_to(rows)


@dsl.component(base_image="python:3.11")
def list_files(artifact: dsl.Input[dsl.Dataset]):
    from pathlib import Path

    print(f"[penstock] {[file.name for file in Path(artifact.path).iterdir()]}")


@dsl.component(base_image="python:3.11")
def read_metadata(artifact: dsl.Input[dsl.Dataset], folder: str):
    from pathlib import Path

    with (Path(folder[3:]) / "read").open("a") as file:
        file.write(f"{Path(artifact.path).read_text()} {artifact.metadata.get('rows')}\n")


@pytest.fixture
def run(penstock, tmp_path) -> Callable[..., bool]:
    """Returns `run()`: runs the task that counts its runs; tells whether it was cached."""
    file = compiled(count, tmp_path)

    def run() -> bool:
        done = penstock("run", file, "--param", f"folder={to(tmp_path)}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "number 7" in done.stdout
        return CACHED in done.stdout

    return run


def _entry(folder: Path) -> Path:
    (entry,) = (folder / "local_outputs" / ".cache").iterdir()
    return entry


def _changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def changed(text: bytes) -> bytes:
        document = json.loads(text)
        return json.dumps(change(document) or document).encode()

    return changed


BROKEN = {
    "empty": lambda text: b"",
    "torn": lambda text: text[: len(text) // 2],
    "one byte short": lambda text: text[:-1],
    "zeros": lambda text: bytes(len(text)),
    "binary": lambda text: b"\xff\xfe" + text,
    "twice": lambda text: text + text,
    "deep": lambda text: b"[" * 100_000,
    "a list": lambda text: b"[1, 2]",
    "a text": lambda text: b'"kept"',
    "null": lambda text: b"null",
    "another value": lambda text: text.replace(b": 7", b": 8"),
    "not its parts": _changed(lambda document: document.update(kept=[1])),
    "a part missing": _changed(lambda document: document["kept"].pop("outputs")),
    "a part of another type": _changed(lambda document: document["kept"].update(outputs=7)),
    "a part unknown": _changed(lambda document: document["kept"].update(more=1)),
    "no schema": _changed(lambda document: document.pop("schema")),
    "a later schema": _changed(lambda document: document.update(schema=2)),
    "an invalid schema": _changed(lambda document: document.update(schema={"a": []})),
    "of 0.1.0": lambda text: OF_0_1_0.read_bytes(),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_an_entry_that_is_not_what_was_written_is_none_and_is_written_again(run, tmp_path, change):
    run()
    whole = _entry(tmp_path).read_bytes()
    assert change(whole) != whole
    _entry(tmp_path).write_bytes(change(whole))
    assert not run()
    assert run()
    assert (tmp_path / "runs").read_text() == "xx"


def test_an_entry_for_another_key_is_none(run, penstock, tmp_path):
    run()
    first = _entry(tmp_path)
    (tmp_path / "other").mkdir()
    other = functools.partial(penstock, "run", compiled(count, tmp_path), "--param", f"folder={to(tmp_path / 'other')}")
    other()
    (second,) = {*first.parent.iterdir()} - {first}
    shutil.copy(first, second)
    assert CACHED not in other().stdout


def test_a_folder_for_entries_that_cannot_be_made_is_one_line(penstock, tmp_path):
    (tmp_path / "local_outputs").mkdir()
    (tmp_path / "local_outputs" / ".cache").write_text("")
    done = penstock("run", compiled(count, tmp_path), "--param", f"folder={to(tmp_path)}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot store outputs in ")
    assert len(done.stderr.splitlines()) == 1


def _output(folder: Path) -> Path:
    (artifact,) = (folder / "local_outputs").glob("count-*/count/artifact")
    return artifact


def _same_size_and_times(file: Path, text: str) -> None:
    before = file.stat()
    file.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda artifact: _same_size_and_times(artifact / "part" / "rows", "b,a"),
        lambda artifact: (artifact / "part" / "rows").rename(artifact / "rows"),
        lambda artifact: (artifact / "more").write_text(""),
        lambda artifact: (artifact / "part" / "rows").unlink(),
        shutil.rmtree,
    ],
    ids=["other bytes", "another name", "another file", "a file missing", "all missing"],
)
def test_outputs_that_are_not_what_was_kept_are_made_again(run, tmp_path, change):
    run()
    change(_output(tmp_path))
    assert not run()
    assert (tmp_path / "runs").read_text() == "xx"


def test_what_links_lead_to_is_never_vouched_for(penstock, tmp_path):
    @dsl.pipeline(name="linked")
    def linked(folder: str):
        list_files(artifact=link(folder=folder).outputs["artifact"])

    file = compiled(linked, tmp_path)
    for _ in range(2):
        done = penstock("run", file, "--param", f"folder={to(tmp_path)}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "['rows']" in done.stdout
        assert CACHED not in done.stdout
    assert list((tmp_path / "local_outputs" / ".cache").iterdir()) == []


def test_an_input_is_its_bytes_and_metadata_whatever_its_fingerprint_says(penstock, tmp_path):
    def run(text: str, rows: int) -> bool:
        artifact = {"metadata": {"fingerprint": "0" * 64, "rows": rows}}
        (tmp_path / "executor_output.json").write_text(json.dumps({"artifacts": {"data": {"artifacts": [artifact]}}}))
        (tmp_path / "data").write_text(text)
        file = compiled(read_metadata, tmp_path)
        done = penstock("run", file, "--param", "artifact=data", "--param", f"folder={to(tmp_path)}")
        assert done.returncode == 0, done.stdout
        return CACHED in done.stdout

    assert [run("a", 1), run("a", 1), run("b", 1), run("b", 2)] == [False, True, False, False]
    assert (tmp_path / "read").read_text() == "a 1\nb 1\nb 2\n"


@pytest.fixture
def rows(tmp_path) -> Path:
    """A CSV file with 300 rows, in a folder of its own."""
    path = tmp_path / "served" / "rows.csv"
    path.parent.mkdir()
    path.write_text("key,value\n" + "".join(f"{number},{number % 7}\n" for number in range(300)))
    return path


@pytest.fixture
def served(rows) -> Iterator[str]:
    """The folder's URL."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(rows.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _turned_on(name: str, folder: Path, key: str = "") -> Path:
    """Returns the compiled file of a component as an older Penstock or another tool may have made it: cached."""
    document = yaml.safe_load((COMPILED / f"{name}.yaml").read_text())
    (task,) = document["root"]["dag"]["tasks"].values()
    task["cachingOptions"] = {"enableCache": True} | ({"cacheKey": key} if key else {})
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_what_lies_elsewhere_is_looked_at_again(penstock, rows, served):
    ingest = functools.partial(penstock, "run", COMPILED / "ingest_examples.yaml", "--param", f"input_uri={served}/rows.csv")
    assert "300 rows" in ingest().stdout
    with rows.open("a") as file:
        file.write("300,1\n")
    done = ingest()
    assert "301 rows" in done.stdout, done.stdout
    assert CACHED not in done.stdout


def test_a_file_with_its_size_and_times_set_back_is_read_again(penstock, rows):
    ingest = functools.partial(penstock, "run", COMPILED / "ingest_examples.yaml", "--param", f"input_uri={rows}")
    ingest()
    _same_size_and_times(rows, rows.read_text().replace("299,5", "299,6"))
    assert CACHED not in ingest().stdout


@pytest.mark.parametrize("value", ["trainer.py", ".", "trainer@.", "mine@mine.whl"])
def test_a_module_is_all_its_files(tmp_path, value):
    (tmp_path / "trainer.py").write_text("from . import shared")
    (tmp_path / "shared.py").write_text("import mine.more")
    (tmp_path / "mine").mkdir()
    for name in ("mine/more.py", "mine.whl", "unrelated.py"):
        (tmp_path / name).write_text("x = 1")
    name, at, place = value.rpartition("@")
    before = content(f"{name}{at}{tmp_path / place}")
    (tmp_path / "unrelated.py").write_text("x = 22")
    assert (content(f"{name}{at}{tmp_path / place}") == before) == (not place.endswith("."))
    for changed in ("mine/more.py", "mine.whl"):
        (tmp_path / changed).write_text("x = 22")
    assert content(f"{name}{at}{tmp_path / place}") != before
    assert names_elsewhere({"module_file": "mine@gs://bucket/mine.whl"})


@pytest.mark.parametrize("value", ["gs://bucket/rows", "bigquery://project?query=SELECT *\nFROM air.flights"], ids=["bucket", "query"])
def test_what_lies_elsewhere_is_read_each_time(value):
    assert names_elsewhere({"input_uri": value})


def test_a_home_folder_is_a_folder(penstock, rows, monkeypatch):
    monkeypatch.setenv("PENSTOCK_CACHE", str(cache_root()))  # which would be below the new home folder
    monkeypatch.setenv("HOME", str(rows.parent))
    ingest = functools.partial(penstock, "run", COMPILED / "ingest_examples.yaml", "--param", "input_uri=~/rows.csv")
    assert "300 rows" in ingest().stdout
    with rows.open("a") as file:
        file.write("300,1\n")
    assert "301 rows" in ingest().stdout


def test_a_cache_key_of_its_own_does_not_stand_for_other_inputs_of_ours(penstock, rows, tmp_path):
    ingest = functools.partial(penstock, "run", _turned_on("ingest_examples", tmp_path, "mine"), "--param", f"input_uri={rows}")
    assert CACHED not in ingest().stdout
    assert CACHED in ingest().stdout
    with rows.open("a") as file:
        file.write("300,1\n")
    assert "301 rows" in ingest().stdout


@pytest.mark.parametrize("key", ["", "mine"])
@pytest.mark.parametrize("image", ["ghcr.io/penstock/penstock-deploy:0.1.0", "registry.example.com/team/penstock-deploy:other"])
def test_what_serves_is_never_taken_from_the_cache_whatever_the_file_says(penstock, tmp_path, key, image):
    path = _turned_on("control_release", tmp_path, key)
    ours = library.control_release.component_spec.implementation.container.image
    path.write_text(path.read_text().replace(ours, image))
    given = {"destination": f"local://{tmp_path / 'serving'}", "action": "status", "model_name": "m"}
    arguments = [item for name, value in given.items() for item in ("--param", f"{name}={value}")]
    for _ in range(2):
        done = penstock("run", path, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert CACHED not in done.stdout
    assert list((tmp_path / "local_outputs" / ".cache").iterdir()) == []


def test_code_is_part_of_what_a_task_depends_on(tmp_path):
    """Edits a copy of this installation, file by file."""
    ours = tmp_path / "penstock"
    shutil.copytree(Path(package.__file__).parent, ours, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(library.__path__[0], ours / "components", ignore=shutil.ignore_patterns("__pycache__"))
    families = {"check_serving": "serve", "train_model": "tf"}
    code = f"from penstock.local.identity import code_of; print(*(code_of(*item) for item in {families}.items()))"

    def identities() -> list[str]:
        return subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()

    def differs(file: str) -> tuple[bool, ...]:
        before = identities()
        with (ours / file).open("a") as opened:
            opened.write("\n")
        return tuple(now != then for now, then in zip(identities(), before, strict=True))

    assert identities() == identities()
    assert differs("server/rest.py") == (True, False)
    assert differs("components/check_serving/report.html.j2") == (True, False)
    assert differs("components/evidence/answers.py") == (True, True)
    assert differs("components/images.py") == (True, True)
    assert differs("__init__.py") == (True, True)
    assert differs("components/train_model/README.md") == (False, False)


def test_another_server_on_the_path_is_part_of_what_a_check_depends_on(tmp_path):
    code = "from penstock.local.identity import other_server; print(other_server('serve'), other_server('tf'))"

    def asked() -> str:
        path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
        done = subprocess.run([sys.executable, "-c", code], env=variables() | {"PATH": path}, check=True, capture_output=True, text=True)
        return done.stdout

    without = asked()
    server = tmp_path / "tensorflow_model_server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    found = asked()
    server.write_text("#!/bin/sh\nexit 1\n")
    assert len({without, found, asked()}) == 3
    assert found.endswith(" []\n")

"""ingest_examples reads what DVC tracks at a commit: repositories that DVC and dulwich have made, without a git program."""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .examples import column, moving_on, rows

ON_BEAM = {"beam_pipeline_args": ["--runner=DirectRunner"]}
WHO = {"author": b"Ada <ada@example.com>", "committer": b"Ada <ada@example.com>"}


@pytest.fixture(scope="module", autouse=True)
def dvc(tmp_path_factory) -> Iterator[None]:
    """The packages of `images/tf/requirements-dvc.txt`, which the family's environment does not have."""
    folder = os.environ.get("PENSTOCK_DVC_PATH")
    if not folder:
        pytest.skip("images/tf/requirements-dvc.txt is not installed here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, folder])
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("dvc-site")))
        yield


class Repository:
    """A Git repository whose folder `data/flights` DVC tracks, with a remote beside it or elsewhere."""

    def __init__(self, root: Path, remote: str = "") -> None:
        from dulwich import porcelain
        from dvc.repo import Repo

        self.root, self.store = root / "flights", root / "store"
        self.root.mkdir()
        porcelain.init(str(self.root))
        Repo.init(str(self.root)).close()
        (self.root / ".dvc" / "config").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {remote or self.store}\n")

    def commit(self, push: bool = True, **files: str) -> str:
        """Writes CSV files to `data/flights`, tracks and pushes the folder, and commits; returns the commit's ID."""
        from dulwich import porcelain
        from dvc.repo import Repo

        folder = self.root / "data" / "flights"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.csv").write_text(text)
        with Repo(str(self.root)) as repo:
            repo.add([str(folder)])
            if push:
                repo.push()
        tracked = [".dvc/config", ".dvcignore", "data/flights.dvc", "data/.gitignore"]
        porcelain.add(str(self.root), [str(self.root / name) for name in tracked])
        return porcelain.commit(str(self.root), b"more flights", **WHO).decode()

    def uri(self, rev: str = "", path: str = "data/flights") -> str:
        """Returns the URI with which another machine reads, which sees neither DVC's cache here nor what is not committed."""
        return f"dvc://file://{self.root}?{f'rev={rev}&' if rev else ''}path={path}"


def two_rows(root: Path) -> Repository:
    """A repository with a commit of two rows."""
    repository = Repository(root)
    repository.commit(a="x,y\n1,a\n2,b\n")
    return repository


@pytest.fixture
def flights(tmp_path) -> Repository:
    """A repository of the test's own."""
    return two_rows(tmp_path)


@pytest.fixture(scope="module")
def other_flights(tmp_path_factory, dvc) -> Repository:
    """A repository that no test writes to."""
    return two_rows(tmp_path_factory.mktemp("dvc"))


def test_the_latest_commit_is_in_the_metadata(flights, ingest, monkeypatch):
    commit = flights.commit(b="x,y\n3,c\n")
    latest = ingest(flights.uri())
    source = latest.metadata["examples"]["source"]
    assert source | {"committed": "", "md5": ""} == {
        "format": "dvc",
        "uri": flights.uri(commit),
        "repository": f"file://{flights.root}",
        "commit": commit,
        "committed": "",
        "md5": "",
    }
    assert f"md5: {source['md5']}\n" in (flights.root / "data" / "flights.dvc").read_text()
    assert [each["uri"] for each in latest.metadata["examples"]["sources"]] == [
        flights.uri(commit, f"data/flights/{name}.csv") for name in "ab"
    ]
    flights.commit(c="x,y\n4,d\n")
    assert ingest(source["uri"]).metadata == latest.metadata
    assert column(ingest(flights.uri()), "x") == [1, 2, 3, 4]
    assert column(ingest(f"dvc://{flights.root}?path=data/flights/b.csv&rev={commit[:10]}"), "x") == [3]
    monkeypatch.chdir(flights.root.parent)
    assert ingest("dvc://flights?path=data").metadata["examples"]["source"]["repository"] == str(flights.root)


def test_a_tag_and_what_is_not_committed(flights, ingest):
    from dulwich import porcelain

    porcelain.tag_create(str(flights.root), b"v1.0", **{"author": WHO["author"], "message": b"first", "annotated": True})
    flights.commit(b="x,y\n3,c\n")
    (flights.root / "data" / "flights" / "c.csv").write_text("x,y\n4,d\n")
    assert column(ingest(flights.uri("v1.0")), "x") == [1, 2]
    assert column(ingest(f"dvc://{flights.root}?path=data/flights"), "x") == [1, 2, 3]


@pytest.mark.parametrize("options", [{}, pytest.param(ON_BEAM, marks=pytest.mark.slow)], ids=["here", "beam"])
def test_a_branch_that_moves_on_while_it_is_read_changes_nothing(flights, ingest, options):
    before = ingest(flights.uri())
    with moving_on(lambda: flights.commit(a="x,y\n7,g\n")):
        assert ingest(flights.uri(), **options).metadata == before.metadata


@pytest.mark.slow
def test_a_remote_in_a_bucket(tmp_path, bucket_elsewhere, ingest):
    repository = Repository(tmp_path, remote=f"s3://{bucket_elsewhere}/dvc")
    repository.commit(a="x,y\n1,a\n2,b\n")
    assert column(ingest(repository.uri()), "x") == [1, 2]


def test_columns_rows_and_patterns(flights, ingest):
    commit = flights.commit(**{"a-1": "x,y\n1,a\n11,b\n", "a-2": "x,y\n2,a\n12,b\n"})
    found = ingest(flights.uri(path="data/flights/a-{SPAN}.csv"), columns=["x"], row_filter=[["x", ">", 10]])
    assert (rows(found), found.parameters["span"]) == ([{"x": 12}], 2)
    assert found.metadata["examples"]["source"]["uri"] == flights.uri(commit, "data/flights/a-{SPAN}.csv")
    assert "md5" not in found.metadata["examples"]["source"]
    parts = ingest(flights.uri(), split_by="pattern", splits={"train": "a-*.csv", "eval": "a.csv"})
    assert parts.metadata["examples"]["splits"] == {"train": 4, "eval": 2}


@pytest.mark.parametrize("kept", ["folder", "nothing"])
def test_what_was_not_pushed(flights, fail, kept):
    commit = flights.commit(push=False, b="x,y\n3,c\n")
    if kept == "folder":
        list_of_files = max((flights.root / ".dvc" / "cache").rglob("*.dir"), key=lambda file: file.stat().st_mtime_ns)
        shutil.copytree(list_of_files.parent, flights.store / "files" / "md5" / list_of_files.parent.name, dirs_exist_ok=True)
    error = fail(flights.uri())
    file = "/b.csv" if kept == "folder" else ""
    assert f"?rev={commit}&path=data/flights{file} is tracked, but cannot be fetched from DVC's remote (" in error
    assert "; run `dvc push` where it was added, or give access to the remote" in error


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "?rev=nothing&path=data/flights",
            "cannot be read at nothing (RevError: unknown Git revision 'nothing'); give dvc://REPOSITORY?rev=REV",
        ),
        ("-other?path=data/flights", "-other cannot be read at its default branch (NotGitRepository: No git repository was found at "),
        ("?path=data/nothing", "input_uri matches no file (/data/nothing)"),
        ("", "names no path in a repository; give dvc://REPOSITORY?rev=REV&path=PATH, where REV is a branch, a tag or a commit"),
        ("?path=data&version=3", "?path=data&version=3 has the option 'version'; dvc:// has rev, path"),
    ],
)
def test_what_is_not_there(other_flights, fail, query, message):
    assert message in fail(f"dvc://file://{other_flights.root}{query}")


def test_without_dvc(fail, monkeypatch):
    for name in [name for name in sys.modules if name == "dvc" or name.startswith(("dvc.", "penstock.components.data.dvc"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dvc", None)
    assert "dvc:// needs the package dvc (" in (error := fail("dvc://https://example.com/flights?path=data"))
    assert "add images/tf/requirements-dvc.txt with --extra-packages, or to your own image" in error
    monkeypatch.undo()
    importlib.invalidate_caches()

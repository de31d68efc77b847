"""What a task's container sees of this machine."""

from pathlib import Path

import pytest

from penstock.errors import UserError
from penstock.local.mounts import Mount, mounts, served_folder, working_directory


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The working directory; other things lie beside it."""
    (tmp_path / "home").mkdir()
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def _mounts(home, variables=None, artifacts=None, **parameters):
    root = home / "local_outputs"
    inputs = {"parameterValues": parameters, "artifacts": artifacts or {}}
    found = mounts(root, {"inputs": inputs}, variables or {})
    assert found.index(Mount(home, False)) < found.index(Mount(root, True)), "what lies in another comes after it"
    return [mount for mount in found if mount.path not in (home, root)]


def test_nothing_named_is_the_working_directory_and_the_root(home):
    assert _mounts(home, text="a word", module="import os\n" * 1000, rows=3, none=None) == []


@pytest.mark.parametrize("pattern", ["{0}", "{0}/part-*.csv", "{0}/span-{{SPAN}}/*", "file://{0}"])
def test_paths_globs_and_patterns_are_read(home, pattern):
    beside = home.parent / "beside"
    assert _mounts(home, inputs={"several": [pattern.format(beside)]}) == [Mount(beside, False)]


def test_what_lies_in_the_working_directory_is_there(home):
    (home / "data").mkdir()
    assert _mounts(home, input_uri="data/*.csv") == []


def test_a_link_is_followed(home):
    (home / "data").symlink_to(home.parent / "beside")
    assert _mounts(home, input_uri="data/*.csv") == [Mount(home.parent / "beside", False)]


def test_input_artifacts_and_files_of_variables_are_read(home):
    file = home.parent / "beside" / "key.json"
    file.touch()
    artifacts = {"examples": {"artifacts": [{"uri": str(home.parent / "beside")}]}}
    assert _mounts(home, artifacts=artifacts, variables={"GOOGLE_APPLICATION_CREDENTIALS": str(file)}) == [Mount(file.parent, False)]


def test_a_local_destination_and_a_tracking_database_are_written(home):
    found = _mounts(home, destination="local://serving?port=1", tracking_uri=f"sqlite:///{home.parent}/mlflow/mlflow.db")
    assert found == [Mount(home / "serving", True), Mount(home.parent / "mlflow", True)]
    assert (home / "serving").is_dir(), "an engine would make it as root"


@pytest.mark.parametrize("text", ["kserve://models/flights", "local://", "flights", "//["])
def test_other_destinations_have_no_folder(text):
    assert served_folder(text) is None


@pytest.mark.parametrize("folder", ["/", "/tmp"])
def test_what_a_container_has_of_its_own_is_no_working_directory(monkeypatch, folder):
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match="run this in another folder"):
        working_directory()

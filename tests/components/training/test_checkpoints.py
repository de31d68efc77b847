"""Checkpoints in buckets: they count once they are whole, the two newest are kept, and other trainings' are left alone."""

from pathlib import Path

import pytest

from penstock.components.protocol import TaskError
from penstock.components.training.checkpoints import Checkpoint, Checkpoints
from penstock.components.training.team import TF_CONFIG, tf_config


def writing(text):
    return lambda prefix: [Path(prefix + suffix).write_text(text) for suffix in (".index", ".data-00000-of-00001")]


@pytest.mark.parametrize("scheme", ["gs", "minio"])
def test_checkpoints_in_a_bucket(bucket_elsewhere, scheme):
    import fsspec

    uri = f"{scheme}://{bucket_elsewhere}/checkpoints"
    store = fsspec.filesystem({"minio": "s3"}.get(scheme, scheme), use_listings_cache=False)
    first = Checkpoints(uri, {"seed": 1})
    first.note(tracking_run_id="run")
    for step in range(4):
        first.save(Checkpoint(fit=0, epoch=step, executions=0, executions_before=step, step=step), writing(str(step)))
    Checkpoints(uri, {"seed": 2})
    again = Checkpoints(uri, {"seed": 1})
    assert (again.attempts, again.tracking_run_id) == (2, "run")
    files = store.find(f"{bucket_elsewhere}/checkpoints")
    assert len([file for file in files if file.endswith(".index")]) == 2
    with again.newest(0) as found:
        assert found is not None
        assert found.checkpoint.step == 3
        assert Path(f"{found.prefix}.index").read_text() == "3"
    store.pipe_file([file for file in files if file.endswith(".index")][-1], b"")
    with again.newest(0) as found:
        assert found is not None
        assert found.checkpoint.step == 2
    with again.newest(1) as found:
        assert found is None
    again.remove()
    assert [Path(file).name for file in store.find(f"{bucket_elsewhere}/checkpoints")] == ["training.json"], "the other training's"


def test_a_worker_that_is_not_the_chief_reads_and_writes_nothing(tmp_path, monkeypatch):
    chief = Checkpoints(str(tmp_path), {})
    chief.save(Checkpoint(fit=0, epoch=0, executions=1, executions_before=0, step=1), writing("1"))
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    monkeypatch.setenv(TF_CONFIG, tf_config(["chief:2222", "other:2222"], 1))
    other = Checkpoints(str(tmp_path), {})
    other.note(tracking_run_id="its own")
    taken = []
    other.save(Checkpoint(fit=0, epoch=0, executions=2, executions_before=0, step=2), taken.append)
    assert len(taken) == 1, "variables are read on all workers"
    with other.newest(0) as found:
        assert found is not None
        assert (found.checkpoint.step, Path(f"{found.prefix}.index").read_text()) == (1, "1")
    other.remove()
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_a_bucket_that_does_not_exist_is_one_line(bucket_elsewhere):
    with pytest.raises(TaskError, match=r"checkpoint_uri: minio://nowhere/checkpoints cannot be \w+ \(.*\); give a path or URI") as error:
        Checkpoints("minio://nowhere/checkpoints", {})
    assert "\n" not in str(error.value)

"""score_batch on Beam: the rows, the errors and the manifest of the in-process run, and runs that go on."""

import json

import pyarrow.parquet as pq
import pytest

from .conftest import PART_ROWS, rows, table, write_part

ON_BEAM = {"beam_pipeline_args": ["--runner=DirectRunner"]}
ALLOWED = {"max_error_share": 0.5, "passthrough_columns": ["carrier"], "partition_by": "origin"}


def manifest(result):
    """Returns the manifest without what differs from run to run: the time, and the bytes that hold it."""
    found = json.loads((result.outputs["predictions"] / "manifest.json").read_text())
    for part in found["parts"]:
        part.pop("scored_at")
        for file in part["files"]:
            del file["bytes"], file["sha256"]
    return found


def scored(result, name):
    folder = result.outputs["predictions"]
    return {str(path.relative_to(folder)): pq.read_table(path, partitioning=None) for path in sorted(folder.rglob(f"{name}/**/*.parquet"))}


@pytest.fixture
def faulty(examples):
    """Examples in which some rows cannot be scored."""
    part = rows(PART_ROWS)
    part["id"][3] = part["id"][7] = None
    write_part(examples, 1, table(part))
    return examples


def test_the_table_is_that_of_the_in_process_run(score, faulty):
    here, there = (score(**ALLOWED, **options) for options in ({}, ON_BEAM))
    assert here.parameters == there.parameters
    assert here.parameters["errors"] == 2
    assert manifest(here) == manifest(there)
    for name in ("predictions", "errors"):
        ours, theirs = scored(here, name), scored(there, name)
        assert ours.keys() == theirs.keys()
        for file, found in ours.items():
            columns = [column for column in found.column_names if column != "scored_at"]
            assert found.select(columns).equals(theirs[file].select(columns)), file
    assert not [path for path in there.outputs["predictions"].rglob("*") if path.name.startswith(".")]


def test_more_errors_than_allowed_in_all_parts_fail_the_task(fail, faulty):
    write_part(faulty, 0, table(rows() | {"id": [None, None, *range(2, PART_ROWS)]}))
    assert "more rows cannot be scored than max_error_share" in fail(max_error_share=3 / (3 * PART_ROWS), **ON_BEAM)


def test_a_run_goes_on_and_scores_nothing_twice(score, examples, tmp_path):
    place = {"output_uri": str(tmp_path / "out")}
    score(**place)
    (tmp_path / "out" / "manifest.json").unlink()
    records = sorted((tmp_path / "out" / "parts").iterdir())
    records[0].unlink()
    kept = {path: path.read_bytes() for path in records[1:]}
    assert len(kept) == 2
    result = score(**place, **ON_BEAM)
    assert result.code == 0, result.error
    assert {path: path.read_bytes() for path in kept} == kept
    assert records[0].exists()
    assert (tmp_path / "out" / "manifest.json").exists()


def test_keys_are_unique(fail, examples):
    write_part(examples, 1, table(rows(PART_ROWS) | {"id": [5, *range(PART_ROWS + 1, 2 * PART_ROWS)]}))
    assert fail(**ON_BEAM).startswith("error: the key is not unique: 2 rows have id=5;")

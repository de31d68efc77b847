"""The latest complete Span: by a marker, or because its files have not changed."""

import os
import time

import pytest

from penstock.components.release.registry import open_registry

NAME = "find_span"


@pytest.fixture
def spans(tmp_path):
    """Spans 1 to 3 of two files each, of which the last was written now, the others two hours ago."""
    for span in (1, 2, 3):
        folder = tmp_path / "data" / f"span-{span}"
        folder.mkdir(parents=True)
        for name in ("a.csv", "b.csv"):
            (folder / name).write_text("x\n1\n")
            written = time.time() - (7200 if span < 3 else 0)
            os.utime(folder / name, (written, written))
    return tmp_path / "data"


def test_a_span_counts_when_its_files_have_settled(run_task, spans):
    pattern = f"{spans}/span-{{SPAN}}/*.csv"
    assert run_task(NAME, {"input_uri": pattern}).parameters == {"span": "2", "is_new": "true"}
    assert run_task(NAME, {"input_uri": pattern, "settled_minutes": 0}).parameters == {"span": "3", "is_new": "true"}
    assert run_task(NAME, {"input_uri": pattern, "settled_minutes": 180}).parameters == {"span": "", "is_new": "false"}
    assert run_task(NAME, {"input_uri": f"{spans}/span-{{SPAN}}"}).parameters["span"] == "2", "a folder is all of its files"


def test_a_span_counts_when_its_marker_is_there(run_task, spans):
    given = {"input_uri": f"{spans}/span-{{SPAN}}/*.csv", "marker": "_SUCCESS"}
    assert run_task(NAME, given).parameters == {"span": "", "is_new": "false"}
    (spans / "span-1" / "_SUCCESS").touch()
    assert run_task(NAME, given).parameters["span"] == "1"
    (spans / "span-3" / "_SUCCESS").touch()
    assert run_task(NAME, given).parameters["span"] == "3"


def test_a_span_in_a_bucket(run_task, bucket):
    import fsspec

    with fsspec.open(f"s3://{bucket}/spans/2013-12-31/rows.csv", "w") as file:
        file.write("x\n1\n")
    given = {"input_uri": f"s3://{bucket}/spans/{{YYYY}}-{{MM}}-{{DD}}/*.csv"}
    assert run_task(NAME, given | {"settled_minutes": 600}).parameters["span"] == ""
    assert run_task(NAME, given | {"settled_minutes": 0}).parameters == {"span": "16070", "is_new": "true"}


def test_the_span_that_the_champion_has_seen(run_task, spans, tmp_path):
    given = {"input_uri": f"{spans}/span-{{SPAN}}/*.csv"}
    assert run_task(NAME, given | {"trained_span": "2"}).parameters == {"span": "2", "is_new": "false"}
    registry = f"sqlite:///{tmp_path}/mlflow.db"
    known = given | {"model_name": "flights", "tracking_uri": registry}
    assert run_task(NAME, known).parameters["is_new"] == "true", "there is no champion"
    model = open_registry("flights", registry)
    model.point("champion", model.register("9d1d" * 16, str(tmp_path), {"data_span": "2"}))
    assert run_task(NAME, known).parameters == {"span": "2", "is_new": "false"}


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"input_uri": "data/*.csv"}, "numbers no Spans; give one with {SPAN}"),
        ({"input_uri": "nowhere://x/{SPAN}"}, "cannot be listed"),
        ({"input_uri": "x/{SPAN}", "trained_span": "last"}, "the Span that the model has seen is 'last', not a number; give trained_span"),
        ({"input_uri": "x/{SPAN}", "marker": "a/b"}, "give the name of a file in the folder of a Span's files"),
    ],
)
def test_what_cannot_be_used(run_task, parameters, error):
    result = run_task(NAME, parameters)
    assert result.code == 1
    assert error in result.error

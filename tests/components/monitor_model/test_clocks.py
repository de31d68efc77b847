"""Labels that are late, clocks that differ, and a reference of the same season."""

import csv
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from .conftest import EVAL_CONFIG, logged, rows, score, write_examples

NOW = datetime.now(timezone.utc)


def labels(folder: Path, requests: list[dict], count: int, labeled_at: datetime | None = None) -> dict[str, str]:
    """Writes the labels of the first rows, and returns the parameters that name them."""
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "is_late", "labeled_at"])
        writer.writerows((f"r{number}", int(score(row) > 0.5), labeled_at or NOW) for number, row in enumerate(requests[:count]))
    return {"labels": str(folder / "labels.csv"), "eval_config": EVAL_CONFIG} | ({"label_time_column": "labeled_at"} if labeled_at else {})


def test_too_few_labels_of_the_rows_that_are_due(monitor, write_log, tmp_path):
    requests = rows(2_000)
    given = labels(tmp_path, requests, 1_000)
    log = write_log(logged(requests))
    assert monitor(log, **given).parameters == {"verdict": "ok"}
    result = monitor(log, monitoring_config="{min_labeled_share: 0.9}", **given)
    assert result.parameters == {"verdict": "not_enough_data"}
    assert "labels of 50.0% of the rows have come, fewer than min_labeled_share, 90.0%" in result.found["reasons"]


def test_rows_whose_labels_may_still_come_do_not_count(monitor, write_log, tmp_path):
    requests = rows(2_000)
    half = logged(requests[:1_000]) + [
        line | {"id": f"r{number + 1_000}"} for number, line in enumerate(logged(requests[1_000:], start=NOW - timedelta(hours=1)))
    ]
    for number, line in enumerate(half[1_000:]):
        line["time"] = (NOW - timedelta(minutes=30, milliseconds=number)).isoformat()
    given = labels(tmp_path, requests, 1_000) | {"window_end": NOW.isoformat()}
    result = monitor(write_log(half), monitoring_config="{min_labeled_share: 0.9, label_delay_hours: 2}", **given)
    assert result.parameters == {"verdict": "ok"}, result.error or result.found["reasons"]
    assert result.found["quality"]["share"] == 1.0


def test_labels_that_are_older_than_their_rows(monitor, write_log, tmp_path):
    requests = rows(2_000)
    result = monitor(write_log(logged(requests)), **labels(tmp_path, requests, 2_000, datetime(2026, 11, 20, tzinfo=timezone.utc)))
    assert result.parameters == {"verdict": "not_enough_data"}
    assert "2,000 labels are older than their rows: the clocks of log and labels differ; correct one" in result.found["reasons"]


def test_times_that_are_none(monitor, write_log, tmp_path):
    requests = rows(200)
    result = monitor(write_log(logged(requests)), **labels(tmp_path, requests, 200), label_time_column="is_late")
    assert result.code == 1
    assert "holds no times" in result.error


def test_a_log_from_the_future(monitor, write_log):
    lines = logged(rows(1_000)) + logged(rows(50), start=NOW + timedelta(hours=2))
    result = monitor(write_log(lines))
    assert result.parameters == {"verdict": "not_enough_data"}
    assert (
        "50 rows of the log are later than now: the clocks of the server and of this machine differ; correct one" in result.found["reasons"]
    )


def test_a_reference_of_the_same_season(monitor, write_log, tmp_path):
    summer, winter = ([row | {"month": month} for row in rows(5_000, seed=month, shift=shift)] for month, shift in ((7, 2.0), (11, 0.0)))
    reference = {"reference_uri": str(write_examples(tmp_path / "year", summer + winter))}
    log = write_log(logged([row | {"month": 11} for row in rows(3_000)]))
    assert monitor(log, monitoring_config="{exclude: [month]}", **reference).parameters == {"verdict": "drifted"}
    season = "{exclude: [month], reference_rows: {month: [11, 12]}}"
    result = monitor(log, monitoring_config=season, **reference)
    assert (result.parameters, result.found["reference"]["rows"]) == ({"verdict": "ok"}, 5_000)


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ("{reference_rows: {season: [1]}}", "reference_rows names season, which the reference lacks; correct it"),
        ("{reference_rows: {hour: [noon]}}", "reference_rows.hour has values that are no int64; correct them"),
        ("{reference_rows: {hour: 7}}", "reference_rows is no object of lists"),
        ("{reference_rows: {hour: [99]}}", "the reference has no rows; give one with rows"),
        ("{min_labeled_share: 2}", "min_labeled_share is 2; give a number of at least 0 and at most 1"),
    ],
)
def test_a_season_that_cannot_be_used(monitor, write_log, config, error):
    result = monitor(write_log(logged(rows(200))), monitoring_config=config)
    assert result.code == 1
    assert error in result.error

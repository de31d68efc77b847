"""What compare_features found, in the verdict. That monitor_model reads what it writes is tested beside it."""

import pytest

from .conftest import FINGERPRINT, logged, rows

EQUAL, SKEWED = {"distance": 0, "hour": 0}, {"distance": 30, "hour": 5}
LATER = {"start": "2026-11-21T13:00:00+00:00", "end": "2026-11-22T13:00:00+00:00"}


@pytest.mark.parametrize(
    ("stale", "more", "parameters", "verdict", "reason"),
    [
        (EQUAL, {}, {}, "ok", ""),
        (SKEWED, {}, {}, "skewed", "distance: 3.00% of the served values differ from those that were known (30 stale), above 1.00%"),
        (SKEWED, {}, {"monitoring_config": "{max_feature_skew: 0.03}"}, "ok", ""),
        (EQUAL, {"unknown": ["1 rows have no time"]}, {}, "not_enough_data", "feature skew: 1 rows have no time"),
        (EQUAL, {"compared": 99}, {}, "not_enough_data", "feature skew: 99 rows with fetched features are fewer than min_rows, 100"),
        (
            EQUAL,
            {"window": LATER},
            {},
            "not_enough_data",
            f"feature skew: the features were compared from {LATER['start']} to {LATER['end']}",
        ),
        (EQUAL, {"fingerprint": "ca7a"}, {}, "not_enough_data", "feature skew: the features were compared for the model ca7a"),
    ],
    ids=["equal", "skewed", "limit", "unknown", "rows", "window", "model"],
)
def test_the_verdict(monitor, write_log, skew, stale, more, parameters, verdict, reason):
    requests = [row | {"tail": "N1"} for row in rows(200)]
    result = monitor(write_log(logged(requests)), inputs=skew(stale, **more), **parameters)
    assert result.code == 0, result.error
    assert result.parameters == {"verdict": verdict}
    assert "".join(result.found["reasons"][:1]).startswith(reason)
    assert set(result.found["features"]) == {"distance", "hour", "carrier"}, "a key is compared if the reference has it"


def test_skew_comes_before_drift_and_is_published(monitor, write_log, skew):
    result = monitor(write_log(logged(rows(2_000, shift=1))), inputs=skew(SKEWED), trend_windows=1)
    assert result.parameters == {"verdict": "skewed"}
    assert [reason.partition(":")[0] for reason in result.found["reasons"]] == ["distance", "distance"]
    assert {name: found["status"] for name, found in result.found["feature_skew"]["features"].items()} == {
        "distance": "skewed",
        "hour": "differs",
    }
    text = (result.outputs["monitoring"] / "monitoring.prom").read_text()
    labels = f'model_name="",fingerprint="{FINGERPRINT}"'
    assert f'penstock_monitoring_verdict{{{labels},verdict="skewed"}} 1.0' in text
    assert f'penstock_monitoring_feature_skew{{{labels},feature="hour",kind="stale"}} 0.005' in text
    assert f'penstock_monitoring_feature_skewed{{{labels},feature="distance"}} 1.0' in text
    assert "Served features" in result.outputs["report"].read_text()


def test_another_model_is_one_line(monitor, write_log, skew):
    result = monitor(write_log(logged(rows(200))), inputs=skew(EQUAL, model_name="trains"), model_name="flights")
    assert result.code == 1
    assert "feature_skew is about the model 'trains', and model_name is 'flights'" in result.error


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{}", "has no window; compare the features again"),
        ("[", "cannot be read (Expecting value: line 1 column 2 (char 1)); compare the features again"),
    ],
    ids=["object", "damaged"],
)
def test_another_artifact_is_one_line(monitor, write_log, skew, content, expected):
    given = skew(EQUAL)
    (given["feature_skew"] / "feature_skew.json").write_text(content)
    result = monitor(write_log(logged(rows(200))), inputs=given)
    assert result.code == 1
    assert expected in result.error
    assert "\n" not in result.error

"""Served features beside point-in-time values, through the component's command and Feast itself."""

import json
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.components.evidence.feature_skew import read_feature_skew
from penstock.components.evidence.logs.window import Window
from penstock.components.monitor_model.config import MonitoringConfig
from penstock.components.monitor_model.skew import judge

from ..feature_repositories import at, make_repository
from ..monitor_model.conftest import kserve_records

NAME = "compare_features"
WINDOW = {"window_start": "2026-11-01", "window_end": "2026-11-06"}

USERS = """
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bool, Float32, Float64, Int64, String, UnixTimestamp

client = Entity(name="client", join_keys=["client"], value_type=ValueType.INT64)
users = FeatureView(
    name="users",
    entities=[client],
    schema=[
        Field(name="client", dtype=Int64), Field(name="codes", dtype=Array(Float32)), Field(name="member", dtype=Bool),
        Field(name="since", dtype=UnixTimestamp), Field(name="name", dtype=String), Field(name="visits", dtype=Int64),
    ],
    source=FileSource(path="DATA/users.parquet", timestamp_field="seen"),
)


@on_demand_feature_view(sources=[users], schema=[Field(name="doubled", dtype=Float64)], mode="pandas")
def computed(inputs):
    return (inputs["visits"] * 2.0).astype("float64").to_frame("doubled")


service = FeatureService(name="users", features=[users, computed])
"""


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "features")


@pytest.fixture
def compare(run_task, repository, tmp_path):
    """Runs the task on a log with some lines; returns the result, and `feature_skew.json` beside it."""

    def run(lines, **parameters):
        file = tmp_path / "log" / "flights" / "2026-11-06" / "000000-vm-1-0.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
        given = WINDOW | {"logs": str(tmp_path / "log"), "feature_repository": str(repository), "feature_service": "flights"}
        result = run_task(NAME, given | parameters)
        place = result.outputs["feature_skew"] / "feature_skew.json"
        result.found = json.loads(place.read_text()) if result.code == 0 else {}
        return result

    return run


def row(time: datetime, delay, wind=1.5, fetched=("delay", "wind"), tail="N1", **more):
    """Makes a line of the model server's log."""
    instance = {"tail": tail, "origin": "JFK", "flight": 11, "delay": delay, "wind": wind} | more.pop("instance", {})
    about = {"id": "r", "time": time.isoformat(timespec="milliseconds"), "model_name": "flights", "version": "3", "fingerprint": "9d1d"}
    line = about | {"instance": instance, "prediction": [0.5], "fetched": list(fetched)} | more
    return {name: value for name, value in line.items() if value is not None}


def counts(result, name):
    feature = result.found["features"][name]
    return {kind: feature[kind] for kind in ("rows", "wrong", "missing", "stale", "without_keys", "beyond") if feature[kind]}


SERVED = [
    row(at(2, 12), 7),
    row(at(2, 13), 8),
    row(at(2, 14), 5),
    row(at(2, 15), None),
    row(at(2, 16), None, tail="N3"),
    row(at(2, 17), 9, tail="N3"),
    row(at(3, 12), 70, wind=2.5 * (1 + 1e-7)),  # the correction of the 5th
    row(at(3, 13), 7, wind=1.5),
    row(at(3, 14), 1000, wind=1000, fetched=()),  # the client's own values
    row(at(3, 15), 1000, wind=2.5, fetched=["wind"]),
]


def test_what_differs_is_wrong_missing_or_stale(compare):
    result = compare(SERVED)
    assert result.code == 0, result.error
    assert result.parameters == {"rows": 9}
    found = result.found
    assert (found["rows"], found["fetched"], found["unknown"], found["not_fetched"]) == (10, 9, [], [])
    assert counts(result, "delay") == {"rows": 8, "wrong": 3, "missing": 1, "stale": 1}
    assert counts(result, "wind") == {"rows": 9, "stale": 1}
    assert found["features"]["wind"]["share"] == pytest.approx(1 / 9)
    assert found["features"]["delay"]["oldest_seconds"] == 28 * 3600
    examples = [(each["kind"], each["keys"], each["served"], each["known"]) for each in found["features"]["delay"]["examples"]]
    assert examples == [
        ("wrong", {"tail": "N1"}, 8, 7),
        ("wrong", {"tail": "N3"}, 9, None),
        ("wrong", {"tail": "N1"}, 70, 7),
        ("missing", {"tail": "N1"}, None, 7),
        ("stale", {"tail": "N1"}, 5, 7),
    ]
    stale = found["features"]["wind"]["examples"][0]
    assert (stale["time"], stale["served_since"]) == ("2026-11-03T13:00:00.000+00:00", "2026-11-01T00:00:00+00:00")
    judged = judge(read_feature_skew(result.outputs["feature_skew"]), Window(at(1), at(6)), "9d1d", MonitoringConfig(min_rows=9))
    assert (len(judged["reasons"]), judged["unknown"]) == (2, []), "monitor_model reads it"
    page = result.outputs["report"].read_text()
    assert page.index("<code>delay</code>") < page.index("<code>wind</code>"), "what differs most comes first"
    assert "28.0 h" not in page
    assert "1.2 d" in page


def test_full_feature_names(compare):
    result = compare([row(at(2, 14), 0, fetched=["delays__delay"], instance={"delays__delay": 5})], full_feature_names=True)
    assert counts(result, "delays__delay") == {"rows": 1, "stale": 1}
    assert result.found["not_fetched"] == ["weather__wind"]


def test_corrections_count_if_they_counted_in_training(compare):
    result = compare(SERVED[6:8], filter_by_created_timestamp=False)
    assert counts(result, "delay") == {"rows": 2, "stale": 1}


def test_what_cannot_be_compared_is_named(compare):
    lines = [
        row(at(2, 12), 7, instance={"tail": None}),
        row(at(4, 11), 7, wind=2.5),  # nothing of the table of delays is younger than its TTL
        row(at(2, 12), 7, fetched=["delay", "speed"]),
        row(at(2, 12), 7) | {"time": None},
        row(at(2, 12), 0, fetched=(), features_defaulted=True),
        row(at(2, 12), 7, fingerprint="ca7a"),
    ]
    result = compare(lines, fingerprint="9d")
    assert result.code == 0, result.error
    assert counts(result, "delay") == {"rows": 1, "without_keys": 1, "beyond": 1}
    assert counts(result, "wind") == {"rows": 2}
    assert result.found["unknown"] == [
        "1 rows have the fetched feature speed, which the service does not define",
        "1 rows were answered with defaults, because the feature server was away",
        "1 rows have no time",
        "delays: 1 rows have no tail that can be read",
        "delays: 1 rows are later than the table's newest value (2026-11-02T10:00:00+00:00) by more than the TTL",
    ]
    for reason in result.found["unknown"]:
        assert reason.replace("'", "&#39;") in result.outputs["report"].read_text()


def test_a_table_without_rows(compare, tmp_path):
    """And a column that has no value in the log."""
    table = tmp_path / "tables" / "delays.parquet"
    pq.write_table(pq.read_table(table).slice(0, 0), table)
    result = compare([row(at(2, 12), None, wind=None)])
    assert result.code == 0, result.error
    assert counts(result, "delay") == {"beyond": 1}
    assert counts(result, "wind") == {"rows": 1, "missing": 1}
    assert result.found["unknown"] == ["delays: 1 rows are later than the table's newest value (there is none) by more than the TTL"]


def test_definitions_that_changed_after_serving(compare, repository):
    """A TTL is shorter, and a feature has another name, by a mapping of the table's columns."""
    file = repository / "features.py"
    changed = (
        file.read_text().replace('"delay", dtype', '"late", dtype').replace('"reported")', '"reported", field_mapping={"delay": "late"})')
    )
    file.write_text(changed.replace('name="weather",', 'name="weather", ttl=timedelta(hours=1),'))
    result = compare([row(at(2, 12), 7), row(at(2, 14), 7, fetched=["late"], instance={"late": 5})])
    assert result.code == 0, result.error
    assert result.found["unknown"] == ["1 rows have the fetched feature delay, which the service does not define"]
    assert counts(result, "wind") == {"rows": 1, "stale": 1}, "older than the TTL"
    assert counts(result, "late") == {"rows": 1, "stale": 1}


@pytest.mark.slow
def test_features_of_every_type(compare, repository, tmp_path):
    """Lists, truth values, times, and what is computed on demand, by a key that is a number."""
    seen = at(1, 10)
    table = {"client": [7], "seen": [seen], "codes": [[0.5, 1.5]], "member": [True], "since": [seen], "name": ["x"], "visits": [3]}
    pq.write_table(pa.table(table), tmp_path / "tables" / "users.parquet")
    (repository / "users.py").write_text(USERS.replace("DATA", str(tmp_path / "tables")))
    names = ["codes", "member", "since", "name", "visits", "doubled"]
    good = {"client": 7, "codes": [0.5, 1.5], "member": True, "since": int(seen.timestamp()), "name": "x", "visits": 3, "doubled": 6.0}
    bad = {"client": 7, "codes": [0.5, 1.6], "member": False, "since": 5, "name": "y", "visits": 3.5, "doubled": 6.1}
    lines = [row(at(2), 0, instance=instance, fetched=names) for instance in (good, bad, good | {"client": 2**60 + 1})]
    result = compare(lines, feature_service="users")
    assert result.code == 0, result.error
    for name in names:
        assert counts(result, name) == {"rows": 2, "wrong": 1, "without_keys": 1}, name


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [row(at(2), 7, fetched=(), version="3")],
            "no row of the window has fetched features; start the model server with --feature_service",
        ),
        ([row(at(7), 7)], "the log has no row in the window"),
        (kserve_records([{"tail": "N1", "hour": 9}]), "the log is of KServe's inference logger, which does not say what was fetched"),
    ],
    ids=["nothing", "window", "kserve"],
)
def test_a_log_that_cannot_tell(compare, lines, expected):
    result = compare(lines)
    assert result.code == 0, result.error
    assert result.parameters == {"rows": 0}
    [reason] = result.found["unknown"]
    assert reason.startswith(expected)
    assert reason.replace("'", "&#39;") in result.outputs["report"].read_text()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"tolerance": 1.0}, "tolerance is 1; give a share of at least 0 and below 1"),
        ({"feature_service": "none"}, "no feature service 'none' (it has flights)"),
    ],
    ids=["tolerance", "service"],
)
def test_invalid_parameters_are_one_line(compare, parameters, expected):
    result = compare(SERVED[:1], **parameters)
    assert result.code == 1
    assert expected in result.error
    assert "\n" not in result.error
    assert not any(path.exists() for path in result.outputs.values())

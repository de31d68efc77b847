"""The flights: no column knows the future, the Schema fits the table, and the modules work on it."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.data import load_function, load_module, read_module, read_text
from penstock.pipelines import flight_delay

FOLDER = Path(flight_delay.__file__).parent
FLIGHTS = Path(__file__).parents[3] / "data" / "flights"


@pytest.fixture(scope="module")
def make_data():
    return load_module(read_module(str(FOLDER / "make_data.py")), "make_data")


@pytest.fixture(scope="module")
def schema() -> schema_pb2.Schema:
    return text_format.Parse((FOLDER / "schema.pbtxt").read_text(), schema_pb2.Schema())


@pytest.fixture(scope="module")
def flights() -> pa.Table:
    assert FLIGHTS.is_dir(), "type `make data/flights` first"
    return pq.read_table(sorted(FLIGHTS.glob("*.parquet")))


def hours(*values: int) -> pd.DatetimeIndex:
    return pd.to_datetime([f"2013-03-01T{value:02d}:00:00Z" for value in values])


def departures(**changes) -> pd.DataFrame:
    """Makes one flight at 15:59 local time, which is 20:59 UTC."""
    flight = {
        "year": 2013, "month": 3, "day": 1, "hour": 15, "minute": 59, "time_hour": hours(20)[0], "carrier": "AA", "origin": "JFK",
        "dest": "LAX", "tailnum": "N1", "distance": 2475, "dep_time": 1600.0, "dep_delay": 1.0, "arr_time": 1900.0, "arr_delay": 20.0,
        "air_time": 300.0, "sched_dep_time": 1559, "sched_arr_time": 1840, "flight": 1,
    }  # fmt: skip
    return pd.DataFrame([flight | changes])


PLANES = pd.DataFrame({"tailnum": ["N1"], "year": [2003.0], "seats": [180], "engines": [2]})
WEATHER = pd.DataFrame(
    {
        "origin": "JFK", "year": 2013, "month": 3, "day": 1, "hour": [14, 15, 16], "time_hour": hours(19, 20, 21), "temp": [40.0, 50.0, 60.0],
        "dewp": 1.0, "humid": 2.0, "wind_dir": 3.0, "wind_speed": 4.0, "wind_gust": math.nan, "precip": 0.0, "pressure": 1000.0, "visib": 10.0,
    }
)  # fmt: skip


def test_weather_is_what_was_known_when_the_scheduled_hour_began(make_data):
    assert make_data.join(departures(), PLANES, WEATHER)["temperature"].tolist() == [40.0]


def test_nothing_but_the_label_knows_what_happened_after_the_scheduled_departure(make_data):
    happened = {"dep_time": 2300.0, "dep_delay": 400.0, "arr_time": 500.0, "arr_delay": -5.0, "air_time": 1.0}
    usual, other = (make_data.join(departures(**changes), PLANES, WEATHER).drop(columns="is_late") for changes in ({}, happened))
    pd.testing.assert_frame_equal(usual, other)


@pytest.mark.parametrize(("delay", "late"), [(-3.0, 0), (15.0, 0), (16.0, 1)])
def test_late_is_more_than_15_minutes(make_data, delay, late):
    assert make_data.join(departures(arr_delay=delay), PLANES, WEATHER)["is_late"].tolist() == [late]


def test_what_is_not_known_is_missing(make_data):
    row = make_data.join(departures(tailnum="N2", origin="EWR"), PLANES, WEATHER).iloc[0]
    assert row[["aircraft_age", "aircraft_seats", "temperature", "visibility"]].isna().all()


def test_rows_and_columns(flights, make_data):
    assert flights.schema.equals(make_data.SCHEMA)
    assert flights.num_rows == 327_346
    rows = flights.select(["month", "is_late"]).to_pandas()
    assert rows.groupby("month").size()[[10, 11]].sum() == 55_589
    assert round(rows["is_late"].mean(), 4) == 0.2371
    departed = flights["scheduled_departure"].to_pandas()
    assert departed.is_monotonic_increasing
    assert (departed.dt.month == rows["month"]).all()


def test_made_again_nothing_happens(flights):
    before = {path: path.stat().st_mtime_ns for path in FLIGHTS.iterdir()}
    done = subprocess.run([sys.executable, str(FOLDER / "make_data.py"), str(FLIGHTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "is there already" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in FLIGHTS.iterdir()} == before


def test_schema_covers_the_table(flights, schema):
    excluded = set(flight_delay.parameters()["exclude_columns"])
    assert {feature.name for feature in schema.feature} == set(flights.column_names) - excluded
    kinds = {schema_pb2.INT: pa.int64(), schema_pb2.FLOAT: pa.float32(), schema_pb2.BYTES: pa.string()}
    for feature in schema.feature:
        column = flights[feature.name]
        assert column.type == kinds[feature.type], feature.name
        assert 1 - column.null_count / len(column) >= feature.presence.min_fraction, feature.name
        assert column.null_count == 0 or not feature.HasField("shape"), feature.name


def test_preprocessing_reads_every_feature_but_no_other(schema):
    module = load_module(read_module(flight_delay.parameters()["preprocessing_module"]))
    read = {*module.CATEGORIES, *module.INTEGERS, *module.NUMBERS, "month", "wind_direction", module.LABEL}
    assert read == {feature.name for feature in schema.feature}


@pytest.mark.parametrize("delays", [[], ["airport_departure_delay", "aircraft_last_delay", "aircraft_mean_delay"]], ids=["without", "with"])
def test_preprocessing_reads_the_delays_of_the_feature_store_where_they_are(schema, delays):
    import tensorflow as tf

    added = [schema_pb2.Feature(name=name, type=schema_pb2.FLOAT) for name in delays]
    kinds = {schema_pb2.INT: tf.int64, schema_pb2.FLOAT: tf.float32, schema_pb2.BYTES: tf.string}
    with tf.Graph().as_default():
        make = tf.compat.v1.placeholder
        inputs = {feature.name: make(kinds[feature.type], [None, 1]) for feature in [*schema.feature, *added]}
        outputs = load_function(flight_delay.parameters()["preprocessing_module"], "preprocessing_fn")(inputs)
    assert {name for name in outputs if "delay" in name} == {f"{name}{end}" for name in delays for end in ("_z", "_missing")}


def test_parameters_are_those_of_the_pipeline_and_the_same_every_time():
    first, again = flight_delay.parameters(), flight_delay.parameters()
    assert first == again
    assert callable(load_function(first["trainer_module"], "run_fn"))
    assert callable(load_function(first["preprocessing_module"], "preprocessing_fn"))
    hashes = set()
    for seed in ("1", "2"):
        code = "import json; from penstock.pipelines import flight_delay as f; print(json.dumps(f.parameters()))"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONHASHSEED": seed}
        hashes.add(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(hashes) == 1


def test_eval_config_has_thresholds_that_the_base_rate_fails():
    from tensorflow_model_analysis.proto import config_pb2

    config = text_format.Parse(read_text(flight_delay.parameters()["eval_config"], "eval_config"), config_pb2.EvalConfig())
    slices = [list(spec.feature_keys) for spec in config.slicing_specs]
    assert slices == [[], ["carrier"], ["origin"], ["month"]]
    bounds = {
        metric.class_name: metric.per_slice_thresholds[0].threshold.value_threshold
        for spec in config.metrics_specs
        for metric in spec.metrics
        if metric.per_slice_thresholds
    }
    assert bounds["AUC"].lower_bound.value > 0.5
    assert bounds["AUCPrecisionRecall"].lower_bound.value > 0.1705
    assert bounds["BinaryCrossEntropy"].upper_bound.value < 0.4719
    assert bounds["Calibration"].upper_bound.value < 1.42

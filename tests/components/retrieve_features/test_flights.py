"""The example's repository of features."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.components.data.examples import SplitWriter
from penstock.pipelines import flight_delay

from ..feature_repositories import at

REPOSITORY = Path(flight_delay.__file__).parent / "features"
WEATHER = [
    "temperature", "dew_point", "humidity", "wind_direction", "wind_speed", "wind_gust", "precipitation", "pressure", "visibility",
]  # fmt: skip
TABLES = {"weather": ("origin", WEATHER), "airport_delays": ("origin", ["airport_departure_delay"])}
TABLES |= {"aircraft_delays": ("tail", ["aircraft_last_delay", "aircraft_mean_delay"])}


@pytest.mark.slow
def test_a_flight_gets_what_was_known(run_task, tmp_path, monkeypatch):
    for name, (key, features) in TABLES.items():
        rows = [{key: "X", "known_at": at(1, hour)} | dict.fromkeys(features, float(hour)) for hour in (8, 9, 10)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    schema = pa.schema([("origin", pa.string()), ("tail", pa.string()), ("departure", pa.int64())])
    with SplitWriter(tmp_path / "examples", "train", schema) as writer:
        departure = int(at(1, 9).timestamp()) + 60
        writer.write(pa.Table.from_pylist([{"origin": "X", "tail": "X", "departure": departure}], schema))
    monkeypatch.setenv("FLIGHT_FEATURES", str(tmp_path))
    given = {"feature_repository": str(REPOSITORY), "feature_service": "flights", "timestamp_column": "departure"}
    result = run_task("retrieve_features", given, {"examples": tmp_path / "examples"})
    assert result.code == 0, result.error
    row = pq.read_table(result.outputs["examples_with_features"] / "Split-train").to_pylist()[0]
    assert set(row) == {*schema.names, *(feature for _, features in TABLES.values() for feature in features)}
    assert {value for name, value in row.items() if name not in schema.names} == {9.0}

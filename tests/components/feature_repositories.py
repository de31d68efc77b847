"""A Feast repository of two feature views over small tables: each aircraft's delays, which are corrected later, and the weather."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SETTINGS = """
project: flights
provider: local
registry: registry.db
online_store: {type: sqlite, path: online.db}
offline_store: {type: duckdb}
entity_key_serialization_version: 3
"""
DEFINITIONS = """
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource
from feast.types import Float64, Int32, String

aircraft = Entity(name="aircraft", join_keys=["tail"])
airport = Entity(name="airport", join_keys=["origin"])
delays = FeatureView(
    name="delays",
    entities=[aircraft],
    ttl=timedelta(days=2),
    schema=[Field(name="tail", dtype=String), Field(name="delay", dtype=Int32)],
    source=FileSource(path="DATA/delays.parquet", timestamp_field="landed", created_timestamp_column="reported"),
)
weather = FeatureView(
    name="weather",
    entities=[airport],
    schema=[Field(name="origin", dtype=String), Field(name="wind", dtype=Float64)],
    source=FileSource(path="DATA/weather.parquet", timestamp_field="observed"),
)
service = FeatureService(name="flights", features=[delays, weather])
"""


def at(day: int, hour: int = 0) -> dt.datetime:
    """Returns an hour of November 2026, in UTC."""
    return dt.datetime(2026, 11, day, hour, tzinfo=dt.timezone.utc)


DELAYS: list[dict[str, Any]] = [
    {"tail": "N1", "landed": at(1, 10), "reported": at(1, 11), "delay": 5},
    {"tail": "N1", "landed": at(2, 10), "reported": at(2, 11), "delay": 7},
    # what was found out on the 5th of what had landed on the 2nd
    {"tail": "N1", "landed": at(2, 10), "reported": at(5, 0), "delay": 70},
    {"tail": "N2", "landed": at(1, 10), "reported": at(1, 11), "delay": -3},
]
WEATHER: list[dict[str, Any]] = [
    {"origin": "JFK", "observed": at(1, 0), "wind": 1.5},
    {"origin": "JFK", "observed": at(3, 0), "wind": 2.5},
]


def write_tables(folder: Path) -> None:
    """Writes the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(DELAYS), folder / "delays.parquet")
    pq.write_table(pa.Table.from_pylist(WEATHER), folder / "weather.parquet")


def make_repository(folder: Path, settings: str = SETTINGS, definitions: str = DEFINITIONS) -> Path:
    """Makes a repository whose tables lie beside it, and returns its folder."""
    tables = folder.parent / "tables"
    write_tables(tables)
    folder.mkdir(exist_ok=True)
    (folder / "feature_store.yaml").write_text(settings)
    (folder / "features.py").write_text(definitions.replace("DATA", str(tables)))
    return folder

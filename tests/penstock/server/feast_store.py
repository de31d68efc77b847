"""Makes the store of the double in Feast: `python feast_store.py FOLDER TABLES`, in an environment that has Feast.

TABLES is JSON: the rows of `aircraft` and of `routes`, with their keys.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64, String

SETTINGS = """
project: flights
provider: local
registry: registry.db
online_store: {type: sqlite, path: online.db}
offline_store: {type: duckdb}
entity_key_serialization_version: 3
"""
TYPES = {"tail": String, "carrier": String, "month": Int64, "origin": Int64, "distance": Float64}
TTL = timedelta(days=1)


def main(folder: Path, tables: dict[str, list[dict]]) -> None:
    """Writes the tables, applies the definitions and materializes the features."""
    (folder / "feature_store.yaml").write_text(SETTINGS)
    store = FeatureStore(repo_path=str(folder))
    now = datetime.now(timezone.utc)
    entities, views = [], []
    for name, key, kind in (("aircraft", "tail", ValueType.STRING), ("routes", "origin", ValueType.INT64)):
        # Older than their TTL, which Feast does not apply online.
        rows = pa.Table.from_pylist([row | {"time": now - 2 * TTL} for row in tables[name]])
        pq.write_table(rows, folder / f"{name}.parquet")
        entities.append(Entity(name=name, join_keys=[key], value_type=kind))
        schema = [Field(name=column, dtype=TYPES[column]) for column in rows.column_names if column != "time"]
        source = FileSource(path=str(folder / f"{name}.parquet"), timestamp_field="time")
        views.append(FeatureView(name=name, entities=entities[-1:], ttl=TTL, schema=schema, source=source))
    store.apply([*entities, *views, FeatureService(name="flights", features=views)])
    store.materialize(now - 3 * TTL, now)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))

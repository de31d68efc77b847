"""Makes the tables of the features: flights without weather, and what was known of airports and aircraft at which time.

    uv run --no-project --with-requirements pipelines/flight_delay/requirements.txt pipelines/flight_delay/make_feature_tables.py data/flight_features

All times are in UTC. A table of features has the time at which its values are known as `known_at`.
"""

import argparse
from pathlib import Path

import make_data
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

WEATHER = [field for field in make_data.SCHEMA if field.name not in (*make_data.FACTS, "is_late")]
FLIGHTS = pa.schema(
    [*(field for field in make_data.SCHEMA if field not in WEATHER), ("departure", pa.timestamp("us", "UTC")), ("tail", pa.string())]
)
# From leaving the gate to reaching the other one, an aircraft takes less than that longer than it flies.
TAXI = pd.Timedelta("1h")
RECENT = 5


def main() -> None:
    """Writes the tables."""
    parser = argparse.ArgumentParser(description="Makes the tables of the flights' features.")
    parser.add_argument("folder", type=Path, help="where to")
    folder = parser.parse_args().folder
    flights, planes, weather = make_data.read_source()
    flights = flights[flights["arr_delay"].notna()]
    rows = with_departures(make_data.facts(flights, planes))
    folder.mkdir(parents=True, exist_ok=True)
    make_data.write_months(rows, folder / "flights", FLIGHTS)
    reports = make_data.reports(weather).rename(columns={"time_hour": "known_at"})
    write(reports, folder / "weather.parquet", "origin", WEATHER)
    write(airport_delays(rows), folder / "airport_delays.parquet", "origin")
    write(aircraft_delays(rows), folder / "aircraft_delays.parquet", "tail")


def with_departures(rows: pd.DataFrame) -> pd.DataFrame:
    """Adds the scheduled departure in UTC, and the aircraft's number on its tail."""
    return rows.assign(departure=rows["time_hour"] + pd.to_timedelta(rows["minute"], "min"), tail=rows["tailnum"])


def airport_delays(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the mean delay, in minutes, of the departures of each hour; it is known at the end of the hour."""
    left = rows["departure"] + pd.to_timedelta(rows["dep_delay"], "min")
    known_at = (left.dt.floor("h") + pd.Timedelta("1h")).rename("known_at")
    return rows.groupby(["origin", known_at])["dep_delay"].mean().rename("airport_departure_delay").reset_index()


def aircraft_delays(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns how late each aircraft arrived last, and in the mean of its last flights from New York City, in minutes.

    The source has no times of landing in one time zone. That an aircraft has landed counts as known an hour after its time in the air.
    """
    landed = rows["departure"] + pd.to_timedelta(rows["dep_delay"] + rows["air_time"], "min") + TAXI
    known = (
        rows.assign(known_at=landed, aircraft_last_delay=rows["arr_delay"]).dropna(subset=["tail"]).sort_values("known_at", kind="stable")
    )
    means = known.groupby("tail")["arr_delay"].rolling(RECENT, min_periods=1).mean()
    return known.assign(aircraft_mean_delay=means.droplevel(0))[["tail", "known_at", "aircraft_last_delay", "aircraft_mean_delay"]]


def write(table: pd.DataFrame, file: Path, key: str, features: list[pa.Field] | None = None) -> None:
    """Writes a table of features."""
    fields = features or [pa.field(name, pa.float32()) for name in table if name not in (key, "known_at")]
    schema = pa.schema([(key, pa.string()), ("known_at", pa.timestamp("us", "UTC")), *fields])
    pq.write_table(pa.Table.from_pandas(table[schema.names], schema, preserve_index=False).replace_schema_metadata(), file)


if __name__ == "__main__":
    main()

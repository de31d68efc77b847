"""The tables of the flights' features: no value is known before it can be."""

from pathlib import Path

import pandas as pd
import pytest

from penstock.components.data import load_module, read_module
from penstock.pipelines import flight_delay


@pytest.fixture(scope="module")
def tables():
    return load_module(read_module(str(Path(flight_delay.__file__).parent / "make_feature_tables.py")), "make_feature_tables")


def flights(**columns) -> pd.DataFrame:
    """Makes flights of one aircraft from JFK that were to leave at 10:00, 11:00 and so on."""
    rows = pd.DataFrame(columns)
    hours = pd.to_datetime([f"2013-03-01T{10 + number}:00:00Z" for number in range(len(rows))])
    return rows.assign(origin="JFK", tail="N1", departure=hours)


def test_an_aircrafts_delay_is_known_when_it_has_landed(tables):
    rows = flights(dep_delay=[5.0, 0.0], air_time=[60.0, 60.0], arr_delay=[10.0, 20.0])
    known = tables.aircraft_delays(rows)
    assert known["known_at"].dt.strftime("%H:%M").tolist() == ["12:05", "13:00"], "the time in the air, and an hour"
    assert known["aircraft_last_delay"].tolist() == [10.0, 20.0]
    assert known["aircraft_mean_delay"].tolist() == [10.0, 15.0]


def test_an_airports_delay_is_known_at_the_end_of_the_hour(tables):
    rows = flights(dep_delay=[70.0, 10.0, 0.0], air_time=60.0, arr_delay=0.0)
    known = tables.airport_delays(rows)
    assert known["known_at"].dt.strftime("%H:%M").tolist() == ["12:00", "13:00"], "the first two have left between 11 and 12"
    assert known["airport_departure_delay"].tolist() == [40.0, 0.0]

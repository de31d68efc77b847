"""What is known of an airport and of an aircraft at a time. The tables are in the folder that FLIGHT_FEATURES names."""

import os
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, String

TABLES = os.environ.get("FLIGHT_FEATURES", "../../../data/flight_features")
WEATHER = [
    "temperature", "dew_point", "humidity", "wind_direction", "wind_speed", "wind_gust", "precipitation", "pressure", "visibility",
]  # fmt: skip

airport = Entity(name="airport", join_keys=["origin"], value_type=ValueType.STRING)
aircraft = Entity(name="aircraft", join_keys=["tail"], value_type=ValueType.STRING)


def view(name: str, entity: Entity, features: list[str], ttl: timedelta) -> FeatureView:
    """Returns a view of the table of the same name."""
    return FeatureView(
        name=name,
        entities=[entity],
        ttl=ttl,
        schema=[Field(name=entity.join_key, dtype=String), *(Field(name=feature, dtype=Float32) for feature in features)],
        source=FileSource(name=f"{name}_table", path=f"{TABLES}/{name}.parquet", timestamp_field="known_at"),
    )


weather = view("weather", airport, WEATHER, timedelta(hours=2))
airport_delays = view("airport_delays", airport, ["airport_departure_delay"], timedelta(hours=2))
aircraft_delays = view("aircraft_delays", aircraft, ["aircraft_last_delay", "aircraft_mean_delay"], timedelta(days=1))

weather_only = FeatureService(name="weather", features=[weather])
flights = FeatureService(name="flights", features=[weather, airport_delays, aircraft_delays])

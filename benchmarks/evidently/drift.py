"""What a user of Evidently writes: the drift of a window's columns against a reference's, as a page and as JSON.

python drift.py REFERENCE.parquet CURRENT.parquet FOLDER
"""

import sys
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

NUMBERS = [
    "distance",
    "aircraft_age",
    "aircraft_seats",
    "temperature",
    "dew_point",
    "humidity",
    "wind_direction",
    "wind_speed",
    "wind_gust",
    "precipitation",
    "pressure",
    "visibility",
]
CATEGORIES = ["day_of_week", "scheduled_hour", "carrier", "origin", "destination"]


def main() -> None:
    """Writes the page and the figures."""
    reference, current, folder = map(Path, sys.argv[1:])
    folder.mkdir(parents=True)
    definition = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CATEGORIES)
    sides = [
        Dataset.from_pandas(pd.read_parquet(file, columns=[*NUMBERS, *CATEGORIES]), data_definition=definition)
        for file in (reference, current)
    ]
    found = Report([DataDriftPreset()]).run(current_data=sides[1], reference_data=sides[0])
    found.save_html(str(folder / "report.html"))
    found.save_json(str(folder / "report.json"))


if __name__ == "__main__":
    main()

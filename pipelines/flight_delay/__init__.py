"""The worked example: will a flight that leaves New York City arrive more than 15 minutes late?"""

from pathlib import Path
from typing import Any

from penstock.components.data import pack

_FOLDER = Path(__file__).parent


def parameters() -> dict[str, Any]:
    """Returns the values that make `training` this example's pipeline: its modules, Schema and EvalConfig (packed), its Splits."""
    packed = {
        "preprocessing_module": "preprocessing.py",
        "trainer_module": "trainer.py",
        "schema_file": "schema.pbtxt",
        "eval_config": "eval_config.pbtxt",
    }
    return {name: pack((_FOLDER / file).read_text(encoding="utf-8"), file) for name, file in packed.items()} | {
        "model_name": "flight_delay",
        "experiment": "flight_delay",
        "input_format": "parquet",
        "split_by": "time",
        "split_key": "scheduled_departure",
        # December is left for later use.
        "splits": {"train": ["2013-01-01", "2013-10-01"], "eval": ["2013-10-01", "2013-12-01"]},
        "exclude_columns": ["scheduled_departure"],
        "min_rows": 10_000,
        "seed": 20_130_101,
    }

"""Breaks Examples in every way that validate_examples looks for; run where pyarrow is.

python broken_rows.py EXAMPLES BROKEN
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def main() -> None:
    """Writes broken rows of the flights, Split by Split."""
    source, target = map(Path, sys.argv[1:3])
    for path in sorted(source.glob("Split-*/*.parquet")):
        folder = target / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(broken(pq.read_table(path)), folder / path.name)


def broken(flights: pa.Table) -> pa.Table:
    """Returns rows with a new column, a missing one, one of another type, and values that are wrong, missing, not finite or moved."""
    rows = np.arange(flights.num_rows)

    def changed(name: str, every: int, value: object) -> None:
        column = flights[name].combine_chunks()
        values = pa.array([value] * len(column), column.type)
        table[name] = pa.array(
            np.where(rows % every == 0, values.to_numpy(False), column.to_numpy(False)), column.type, from_pandas=value is None
        )

    table: dict[str, object] = {name: flights[name] for name in flights.column_names if name != "origin"}
    changed("carrier", 10, "ZZ")
    changed("month", 100, 13)
    changed("day_of_week", 7, None)
    changed("temperature", 9, float("nan"))
    changed("humidity", 11, float("inf"))
    changed("is_late", 5, 2)
    table["distance"] = np.asarray(flights["distance"], np.float32) * np.float32(3)
    table["scheduled_hour"] = np.asarray(flights["scheduled_hour"]) // 2
    table["visibility"] = pa.array(np.where(rows % 2 == 0, "clear", "fog"))
    table["gate"] = pa.array(rows % 40)
    return pa.table(table)


if __name__ == "__main__":
    main()

"""Asks the model server for the flights of a time as a client does, in batches, each row with its id, and writes their labels.

asking.py FLIGHTS START END URL LABELS, in the environment of the `tf` family, which has pyarrow.
"""

import argparse
import json
import math
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

KEY, TIME, LABEL = "flight_id", "scheduled_departure", "is_late"
_ROWS = 500


def main() -> None:
    """Asks, writes the labels, and prints how many answers came."""
    parser = argparse.ArgumentParser(description="Asks the model server for flights.")
    parser.add_argument("flights", type=Path, help="the example's table")
    parser.add_argument("start", help="the first day")
    parser.add_argument("end", help="the day after the last")
    parser.add_argument("url", help="where predictions are asked for")
    parser.add_argument("labels", type=Path, help="the file for the labels")
    given = parser.parse_args()
    table = flights(given.flights, given.start, given.end)
    pq.write_table(table.select([KEY, LABEL]), given.labels)
    print(ask(given.url, table))


def flights(folder: Path, start: str, end: str) -> pa.Table:
    """Returns the flights from one day to before another, each with an id."""
    table = pa.concat_tables(pq.read_table(file) for file in sorted(folder.glob("*.parquet")))
    numbered = table.append_column(KEY, pa.array([f"F{number:06d}" for number in range(table.num_rows)]))
    times = numbered.column(TIME)
    after, before = (pa.scalar(datetime.fromisoformat(day), times.type) for day in (start, end))
    return numbered.filter(pc.and_(pc.greater_equal(times, after), pc.less(times, before)))


def ask(url: str, table: pa.Table) -> int:
    """Asks for all, and returns how many answers came."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answers = 0
    for batch in table.drop_columns([TIME, LABEL]).to_batches(_ROWS):
        body = json.dumps({"instances": [_plain(row) for row in batch.to_pylist()]}).encode()
        with opener.open(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=300) as answer:
            answers += len(json.load(answer)["predictions"])
    return answers


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row as JSON has it: what is missing is null."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}


if __name__ == "__main__":
    main()

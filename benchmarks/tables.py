"""Makes what the benchmarks read from the example's table. Runs in the `tf` environment, which has pandas and pyarrow."""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SPLIT_KEY = "scheduled_departure"
KEY = "flight_id"
# As pipelines/flight_delay has them: months of 2013.
MONTHS = {"train": range(1, 10), "eval": range(10, 12)}
JITTERED = ["temperature", "dew_point", "pressure"]


def main() -> None:
    """Makes one table: `sample`, `csv`, `repeat`, `delta`, `iceberg`, `numbered` or `monitored`."""
    parser = argparse.ArgumentParser(description="Makes a benchmark's table.")
    parser.add_argument("make", choices=[make.__name__ for make in (sample, csv, repeat, delta, iceberg, numbered, monitored)])
    parser.add_argument("source", type=Path, help="the example's table, one Parquet file per month")
    parser.add_argument("target", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=0, help="sample: how many rows; repeat: how many times")
    arguments = parser.parse_args()
    globals()[arguments.make](arguments.source, arguments.target, arguments.count)


def sample(source: Path, target: Path, rows: int) -> None:
    """Takes about `rows` rows, evenly over the year; 0 takes all."""
    target.mkdir(parents=True)
    files = sorted(source.glob("*.parquet"))
    step = max(1, sum(pq.read_metadata(file).num_rows for file in files) // rows) if rows else 1
    for file in files:
        table = pq.read_table(file)
        pq.write_table(table.take(np.arange(0, table.num_rows, step)), target / file.name, compression="zstd")


def csv(source: Path, target: Path, _: int) -> None:
    """Writes the Splits as CsvExampleGen reads them: `<split>/<month>.csv`, without the column that made the Splits."""
    for split, months in MONTHS.items():
        (target / split).mkdir(parents=True)
        for month in months:
            frame = pq.read_table(source / f"2013-{month:02d}.parquet").to_pandas().drop(columns=SPLIT_KEY)
            frame.to_csv(target / split / f"2013-{month:02d}.csv", index=False)


def repeat(source: Path, target: Path, times: int) -> None:
    """Repeats the table; each copy's weather is a little different, so that nothing compresses or counts as the same."""
    target.mkdir(parents=True)
    rng = np.random.default_rng(2013)
    for file in sorted(source.glob("*.parquet")):
        table = pq.read_table(file)
        with pq.ParquetWriter(target / file.name, table.schema, compression="zstd") as writer:
            for _ in range(times):
                writer.write_table(_jittered(table, rng))


def delta(source: Path, target: Path, _: int) -> None:
    """Writes the table as a Delta table, a commit for each file."""
    from deltalake import write_deltalake

    for file in sorted(source.glob("*.parquet")):
        write_deltalake(target, pq.read_table(file), mode="append")


def iceberg(source: Path, target: Path, _: int) -> None:
    """Writes the table as an Iceberg table, a commit for each file."""
    from pyiceberg.catalog.sql import SqlCatalog

    target.mkdir(parents=True)
    catalog = SqlCatalog("benchmark", uri=f"sqlite:///{target}/catalog.db", warehouse=f"file://{target.absolute()}")
    catalog.create_namespace("benchmark")
    files = sorted(source.glob("*.parquet"))
    table = catalog.create_table("benchmark.flights", pq.read_schema(files[0]))
    for file in files:
        table.append(pq.read_table(file))


def numbered(source: Path, target: Path, _: int) -> None:
    """Gives each row a number of its own, so that a row can be named."""
    target.mkdir(parents=True)
    first = 0
    for file in sorted(source.glob("*.parquet")):
        with (
            pq.ParquetFile(file) as table,
            pq.ParquetWriter(target / file.name, _with_key(table.schema_arrow), compression="zstd") as writer,
        ):
            for batch in table.iter_batches():
                keys = pa.array(np.arange(first, first + batch.num_rows))
                writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, keys], schema=_with_key(batch.schema)))
                first += batch.num_rows


def monitored(source: Path, target: Path, _: int) -> None:
    """Writes the months to train as a reference, and those to evaluate as a window: Parquet, Examples, and a prediction log."""
    reference, window = _months(source, "train").drop_columns([SPLIT_KEY]), _months(source, "eval")
    (target / "examples" / "Split-train").mkdir(parents=True)
    (target / "log").mkdir()
    pq.write_table(reference, target / "reference.parquet")
    pq.write_table(reference, target / "examples" / "Split-train" / "part-00000.parquet", row_group_size=16_384)
    pq.write_table(window, target / "window.parquet")
    with (target / "log" / "rows.jsonl").open("w", encoding="utf-8") as file:
        for number, row in enumerate(row for batch in window.to_batches() for row in batch.to_pylist()):
            about = {"id": f"F{number}", "time": row.pop(SPLIT_KEY).isoformat() + "+00:00", "model_name": "flights", "version": "1"}
            del row["is_late"]
            line = about | {"fingerprint": "9d1d" * 16, "instance": row, "prediction": [0.2]}
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


def _with_key(schema: pa.Schema) -> pa.Schema:
    return schema.append(pa.field(KEY, pa.int64()))


def _months(source: Path, split: str) -> pa.Table:
    return pa.concat_tables(pq.read_table(source / f"2013-{month:02d}.parquet") for month in MONTHS[split])


def _jittered(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    for name in JITTERED:
        column = table[name].combine_chunks()
        noise = pa.array(rng.normal(0, 0.01, len(column)).astype("float32"), mask=column.is_null().to_numpy(zero_copy_only=False))
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), pc.add(column, noise))
    return table


if __name__ == "__main__":
    main()

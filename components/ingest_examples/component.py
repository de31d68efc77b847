"""The KFP interface of ingest_examples."""

from kfp import dsl
from kfp.dsl import Dataset, Output, OutputPath

from penstock.components.container import container


@dsl.container_component
def ingest_examples(
    input_uri: str,
    examples: Output[Dataset],
    rows: OutputPath(int),
    span: OutputPath(int),
    input_format: str = "auto",
    delimiter: str = ",",
    spans: str = "latest",
    version: str = "latest",
    split_by: str = "ratio",
    split_key: str = "",
    splits: dict = {"train": 2, "eval": 1},  # noqa: B006 - kfp reads the default, and nothing changes it
    columns: list = [],  # noqa: B006
    row_filter: list = [],  # noqa: B006
    exclude_columns: list = [],  # noqa: B006
    column_types: dict = {},  # noqa: B006
    schema_file: str = "",
    beam_pipeline_args: list = [],  # noqa: B006
):
    """Reads raw rows into Examples: one folder of Parquet files per Split, with the source and the Span in the metadata.

    The task needs memory for one row group, whatever the size of the data. The same rows give the same bytes.

    The types of columns become int64 (integers and booleans; dates and timestamps as Unix seconds, in UTC if they have no time
    zone), float32 (floats and decimals), string, bytes (Parquet's binary columns, and tf.Example's bytes that are not all
    UTF-8, such as images), or lists of these. All files must have the same columns. Folders such as `year=2024/country=DE`
    below `input_uri` add the columns `year` and `country`, whose types are inferred as in CSV.

    In CSV, the type of a column depends on all rows of all files. Empty fields, `NA`, `NaN` and `null` are nulls. Numbers that
    look like codes stay text: a leading zero (00037), a plus sign or a base (0x1f) in any row, integers beyond int64, and
    values that look like hexadecimal digests (12e45 in a column of integers, all of one length). `column_types` or a Schema
    overrides this. A blank line in a file with one column is a row with a null.

    Args:
        input_uri: A file, folder, glob or URI (local, `gs://`, `s3://`) of CSV, Parquet or TFRecord files of tf.Example. CSV
            and TFRecord files may be compressed with gzip, bz2 or zstd. An existing path is taken literally, even if it
            contains special characters. The pattern may contain `{SPAN}`, `{VERSION}` and `{YYYY}`, `{MM}`, `{DD}`, as in TFX's
            input patterns. A table with versions: `delta://TABLE?version=3` or `?timestamp=2026-11-01T06:00:00Z`, where TABLE
            is a path or URI; `iceberg://CATALOG/NAMESPACE.TABLE` or `iceberg://METADATA_FILE` with `?snapshot_id=`, `?ref=` (a
            branch or tag) or `?timestamp=`; `bigquery://PROJECT.DATASET.TABLE` with `?timestamp=`, or
            `bigquery://READER/PROJECT.DATASET.TABLE` to read it in the project READER. Without an option, it is the latest version.
            pyiceberg's configuration describes the catalog (`PYICEBERG_CATALOG__NAME__URI`). A folder that is a Delta table is read
            as one. `bigquery://PROJECT?query=SELECT ...` is the result of a query of BigQuery. BigQuery's rows are sorted by a
            hash of their values, because they come in no order.
            Files at a commit of lakeFS: `lakefs://REPOSITORY/REF/PATH`, where REF is a branch, a tag or a commit. The server is
            named by `LAKECTL_SERVER_ENDPOINT_URL`, `LAKECTL_CREDENTIALS_ACCESS_KEY_ID` and
            `LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY`. What DVC tracks at a commit of a Git repository, with packages that the image
            does not have (images/tf/requirements-dvc.txt): `dvc://REPOSITORY?rev=REV&path=PATH`.
        examples: The Examples: `Split-<name>/part-*.parquet`. Metadata: format, Splits with row counts, rows, bytes, Span,
            version, source files with their SHA-256, the version of the table or the commit of the files (`source`), fingerprint.
        rows: The number of rows in all Splits.
        span: The latest Span that was read, or 0 if the pattern has no Span.
        input_format: `csv`, `parquet`, `tfrecord`, or `auto` to detect the format from the file names.
        delimiter: The column delimiter of CSV files.
        spans: The Spans to read: `latest`, a single one such as `7`, a range such as `3:7` (inclusive), or the latest k as
            `latest:k`. Spans of dates are numbered by days since 1970-01-01; you may also write them as dates.
        version: The version of each Span to read: `latest` or a number.
        split_by: The method that assigns rows to Splits: `ratio` (hash of the whole row), `hash` (hash of `split_key`, stable
            when rows are added), `column` (value of `split_key`), `time` (range of `split_key`) or `pattern` (paths of the
            files below `input_uri`, as in TFX's input_config).
        split_key: The column for `split_by` `hash`, `column` or `time`.
        splits: The names of the Splits with their rules. `ratio` and `hash`: shares (`{"train": 2, "eval": 1}`). `column`:
            lists of values. `time`: `[start, end]` as ISO 8601 dates or times, end excluded. `pattern`: folders or globs
            (`{"train": "train/*", "eval": "eval/*"}`), whose files may have columns that other Splits lack, such as labels.
            Rows that match no Split are dropped and counted. A Split without rows is an error.
        columns: Columns to read, in the order of the data. Empty: all. Columns that only decide about rows need not be named.
        row_filter: Conditions that rows must meet, all of them: `[column, operator, value]` lists such as
            `[["day", ">=", "2026-01-01"], ["country", "in", ["DE", "FR"]]]`, with `=`, `!=`, `<`, `<=`, `>`, `>=`, `in` or
            `not in`. Values have the types of the data: dates and times are ISO 8601 texts, in UTC without an offset. A null
            meets no condition. Files of a table that have no such rows are not read.
        exclude_columns: Columns to remove after the rows are assigned to Splits.
        column_types: Types of columns, such as `{"zip": "string"}`: `int64`, `float32` or `string`, or the Schema's names
            `INT`, `FLOAT` or `BYTES`. A value that does not fit is an error. In a CSV column with type string, only an empty
            field is null.
        schema_file: A Schema as text, path or URI. CSV columns get their types from it if all their values fit;
            validate_examples reports values that do not. Empty: types are inferred from the rows.
        beam_pipeline_args: Apache Beam options. With a `--runner`, Beam's workers read the files and write the Examples, which
            have the same bytes. Several workers read one Parquet file; one worker reads a CSV or TFRecord file.
    """
    return container("tf", "ingest_examples")

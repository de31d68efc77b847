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
    splits: dict = {"train": 2, "eval": 1},  # noqa: B006 - kfp reads it, nobody changes it
    exclude_columns: list = [],  # noqa: B006
    column_types: dict = {},  # noqa: B006
    schema_file: str = "",
):
    """Reads raw rows into Examples: one folder of Parquet files per Split, with the source and the Span recorded.

    Memory stays bounded by a row group, whatever the size of the data. The same rows give the same bytes.

    Columns become int64 (integers, bools; dates and timestamps as Unix seconds, UTC where no zone is said), float32 (floats,
    decimals), string, bytes (Parquet's binary columns and tf.Example's bytes that are not all UTF-8, such as images), or lists of
    these. Files must have the same columns. Folders such as `year=2024/country=DE` below `input_uri` give the columns `year` and
    `country`, their types found as in CSV.

    In CSV, a column's type is what all its rows say, in all files, and empty fields, `NA`, `NaN` and `null` are nulls. Numbers that
    are codes stay text: with a leading zero (00037), a plus sign or a base (0x1f) in any row; whole ones beyond int64; and what looks
    like hexadecimal digests (12e45 in a column of whole numbers and such, all of one length). `column_types`, or a Schema, says
    otherwise. A blank line of a file with one column is a row without a value.

    Args:
        input_uri: A file, folder, glob or URI (local, `gs://`, `s3://`) of CSV, Parquet or TFRecord files of tf.Example; CSV and
            TFRecord also compressed with gzip, bz2 or zstd. A path that exists is that file or folder, whatever its characters. May hold `{SPAN}`, `{VERSION}` and `{YYYY}`, `{MM}`, `{DD}`, as in TFX's input patterns.
        examples: The Examples: `Split-<name>/part-*.parquet`. Metadata: format, splits with row counts, rows, bytes, span,
            version, source files with their SHA-256, fingerprint.
        rows: How many rows were kept, over all splits.
        span: The latest Span that was read; 0 where the pattern has none.
        input_format: `csv`, `parquet`, `tfrecord`, or `auto` to go by the file names.
        delimiter: The column delimiter of CSV files.
        spans: Which Spans to read: `latest`, one such as `7`, a range such as `3:7` (both ends count), or the latest k as
            `latest:k`. Spans of dates are numbered by days since 1970-01-01, and may be given as dates.
        version: Which version of each Span to read: `latest` or a number.
        split_by: How rows find their Split: `ratio` (hash of the whole row), `hash` (hash of `split_key`, stable when rows
            are added), `column` (value of `split_key`), `time` (range of `split_key`) or `pattern` (the files' paths below
            `input_uri`, as in TFX's input_config).
        split_key: The column that decides, where `split_by` is `hash`, `column` or `time`.
        splits: Split names with, for `ratio` and `hash`, their shares (`{"train": 2, "eval": 1}`); for `column`, lists of
            values; for `time`, `[start, end]` as ISO 8601 dates or times, start included and end not; for `pattern`, folders or
            globs (`{"train": "train/*", "eval": "eval/*"}`), whose files may have columns that other Splits' lack, such as labels.
            Rows that fit none are left out and counted; a Split that gets no row is an error.
        exclude_columns: Columns to leave out once the Splits are made.
        column_types: Types of columns, such as `{"zip": "string"}`: `int64`, `float32` or `string`, or in a Schema's words `INT`,
            `FLOAT` or `BYTES`. A value that does not fit is an error. In a CSV column that is set to text, only an empty field is missing.
        schema_file: A Schema as text, path or URI, from which columns of CSV take their types where all their values fit;
            whether they do is for validate_examples to say. Empty: the types are what the rows say.
    """
    return container("tf", "ingest_examples")

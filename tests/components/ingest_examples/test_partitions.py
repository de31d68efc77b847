"""Columns in the names of folders, and Splits that are folders."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .examples import column, kinds, rows, write


def parquet(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def test_keys_become_columns(tmp_path, ingest):
    folder = tmp_path / "in"
    for year in (2023, 2024):
        for country in ("DE", "__HIVE_DEFAULT_PARTITION__", "C%C3%B4te%20d%27Ivoire%2FX"):
            parquet(folder / f"year={year}" / f"country={country}" / "part-0.parquet", x=[1.0])
    result = ingest(folder)
    assert kinds(result) == {"x": "float", "year": "int64", "country": "string"}
    assert {(row["year"], row["country"]) for row in rows(result)} == {
        (year, country) for year in (2023, 2024) for country in ("DE", None, "Côte d'Ivoire/X")
    }
    assert set(column(ingest(f"{folder}/year=*/country=DE/*.parquet"), "year")) == {2023, 2024}
    assert "year" not in kinds(ingest(folder / "year=2023"))  # the folder that is given is no partition of itself


def test_keys_in_csv_compressed_or_not(tmp_path, ingest, fail):
    folder = tmp_path / "in"
    for month, content in (("01", b"x\n1\n"), ("12", gzip.compress(b"x\n2\n"))):
        (folder / f"month={month}" / "flag=TRUE" / "day=2013-01-02").mkdir(parents=True)
        (folder / f"month={month}" / "flag=TRUE" / "day=2013-01-02" / "a.csv.gz").write_bytes(content)
    assert rows(ingest(folder))[0] == {"x": 1, "month": "01", "flag": 1, "day": 1357084800}
    types = {"month": "int64", "day": "string"}
    assert rows(ingest(folder, column_types=types))[1] == {"x": 2, "month": 12, "flag": 1, "day": "2013-01-02"}
    assert kinds(ingest(folder, exclude_columns=["month", "day", "flag"])) == {"x": "int64"}
    assert column(ingest(folder, split_by="column", split_key="month", splits={"all": ["12"]}), "x") == [2]
    assert "column 'flag' of the folders holds 'TRUE', which is not a valid float" in fail(folder, column_types={"flag": "FLOAT"})


def test_a_key_that_the_file_has_too(tmp_path, ingest, fail):
    folder = tmp_path / "in"
    for year in (2023, 2024):
        parquet(folder / f"year={year}" / "a.parquet", x=[1, 2], year=[year, year])
    assert column(ingest(folder), "year") == [2023, 2023, 2024, 2024]
    parquet(folder / "year=2024" / "b.parquet", x=[1, 2], year=[2024, 2023])
    assert "differs from its folder year=2024" in fail(folder)


def test_folders_of_different_depth_or_with_a_key_twice_are_refused(tmp_path, fail):
    parquet(tmp_path / "year=2023" / "a.parquet", x=[1])
    parquet(tmp_path / "b.parquet", x=[1])
    assert "column 'year' " in (line := fail(tmp_path))
    assert "missing in" in line
    parquet(tmp_path / "in" / "a=1" / "a=2" / "a.parquet", x=[1])
    assert "contain a= twice" in fail(tmp_path / "in")


def test_what_numbers_spans_is_no_column(tmp_path, ingest):
    parquet(tmp_path / "day=2013-01-02" / "kind=a" / "a.parquet", x=[1])
    result = ingest(f"{tmp_path}/day={{YYYY}}-{{MM}}-{{DD}}")
    assert rows(result) == [{"x": 1, "kind": "a"}]
    assert result.parameters["span"] == 15707


PATTERNS = {"train": "train/*", "eval": "eval"}


def test_splits_by_pattern(tmp_path, ingest):
    write(tmp_path / "train" / "1.csv", "x,late\n1,0\n")
    write(tmp_path / "train" / "2.csv", "x,late\n2,1\n")
    write(tmp_path / "eval" / "deep" / "1.csv", "x,late\n3.5,1\n")
    write(tmp_path / "serving" / "1.csv", "x\n4\n")
    result = ingest(tmp_path, split_by="pattern", splits=PATTERNS | {"serving": "serving/*"})
    assert column(result, "x", "train") == [1.0, 2.0]
    assert rows(result, "eval") == [{"x": 3.5, "late": 1}]
    assert kinds(result, "serving") == {"x": "float"}
    assert result.metadata["examples"]["splits"] == {"train": 2, "eval": 1, "serving": 1}


def test_spans_of_splits_by_pattern(tmp_path, ingest, fail):
    folder = tmp_path / "in"
    for split in PATTERNS:
        for span in (1, 2):
            write(folder / f"span-{span}" / split / "a.csv", f"x\n{span}\n")
    splits = {"train": "span-{SPAN}/train/*", "eval": "span-{SPAN}/eval/*"}
    result = ingest(folder, split_by="pattern", splits=splits)
    assert (column(result, "x", "eval"), result.parameters["span"]) == ([2], 2)
    write(folder / "span-3" / "train" / "a.csv", "x\n3\n")
    assert "the same latest Span (train 3, eval 2)" in fail(folder, split_by="pattern", splits=splits)
    assert column(ingest(folder, split_by="pattern", splits=splits, spans="2"), "x", "train") == [2]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": 2, "eval": 1}, "a pattern below input_uri if split_by is pattern"),
        ({"train": "train/*", "eval": "*/*"}, "belongs to the Splits 'train' and 'eval'"),
        ({"train": "train/*", "eval": "none/*"}, "matches no file"),
    ],
)
def test_patterns_that_are_wrong(tmp_path, fail, splits, message):
    write(tmp_path / "train" / "1.csv", "x,late\n1,0\n")
    assert message in fail(tmp_path, split_by="pattern", splits=splits)


def test_splits_whose_types_do_not_agree(tmp_path, fail):
    parquet(tmp_path / "train" / "a.parquet", x=[1])
    parquet(tmp_path / "eval" / "a.parquet", x=["one"])
    assert "column 'x' changes its type" in fail(tmp_path, split_by="pattern", splits=PATTERNS)

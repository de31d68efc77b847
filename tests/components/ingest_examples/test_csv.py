"""CSV as other people write it: codes stay what they say, types can be set, and no byte is lost."""

import bz2
import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .examples import column, kinds, rows, write


def csv_of(name, values):
    return f"{name},other\n" + "".join(f"{value},x\n" for value in values)


CODES = {
    "leading zeros": ["00037", "12345", "90210"],
    "a leading zero in a float": ["1.5", "007.25"],
    "a negative leading zero": ["-07", "12"],
    "plus signs": ["+49301", "49302"],
    "a base": ["0x1f", "31"],
    "beyond int64": ["9223372036854775807", "9223372036854775808"],
    "far below int64": ["-9223372036854775809", "1"],
    "digests with zeros": ["07e17", "12345"],
    "digests of one length": ["12345", "12e45", "99e10"],
    "a digest that no float32 holds": ["1e9", "12e45"],
    "a thousands separator": ['"1,234"', '"12"'],
    "underscores": ["1_000", "5"],
    "another script": ["١٢", "34"],
}


@pytest.mark.parametrize("kind", CODES)
def test_codes_stay_text(tmp_path, ingest, kind):
    result = ingest(write(tmp_path / "a.csv", csv_of("code", CODES[kind])))
    assert column(result, "code") == [value.strip('"') for value in CODES[kind]]


NUMBERS = {
    "zero": (["0", "-0", "10"], [0, 0, 10]),
    "below one": (["0.5", "-0.25", ".5"], [0.5, -0.25, 0.5]),
    "exponents": (["1e5", "20", "3e1"], [1e5, 20, 30]),
    "exponents with points": (["1.0e5", "12345", "23e10"], [1e5, 12345, 23e10]),
    "signed exponents": (["1e-05", "1e+05"], [1e-5, 1e5]),
    "large floats": (["0.5", "100000000000000000000"], [0.5, 1e20]),
    "quoted": (['"12"', '"7"'], [12, 7]),
    "blanks": ([" 12", "7 "], [12, 7]),
    "int64's ends": (["-9223372036854775808", "9223372036854775807"], [-(2**63), 2**63 - 1]),
    "words for nothing": (["12", "NA", "null", "7"], [12, None, None, 7]),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_numbers(tmp_path, ingest, kind):
    texts, numbers = NUMBERS[kind]
    found = column(ingest(write(tmp_path / "a.csv", csv_of("number", texts))), "number")
    assert [None if value is None else pytest.approx(value, rel=1e-6) for value in numbers] == found


def test_a_code_after_the_first_block_or_in_another_file(tmp_path, ingest):
    many = [str(10_000 + number) for number in range(90_000)]
    write(tmp_path / "in" / "1.csv", "zip,filler\n" + "".join(f"{value},{'x' * 20}\n" for value in [*many, "00037"]))
    write(tmp_path / "in" / "2.csv", "zip,filler\n90210,x\n")
    texts = column(ingest(tmp_path / "in"), "zip")
    assert texts == [*many, "00037", "90210"]


def test_words_for_nothing_are_words_where_text_is_asked_for(tmp_path, ingest):
    file = write(tmp_path / "a.csv", "country,other\nNA,NA\nDE,x\n,\n")
    assert rows(ingest(file, column_types={"country": "string"})) == [
        {"country": "NA", "other": None},
        {"country": "DE", "other": "x"},
        {"country": None, "other": None},
    ]


def test_types_can_be_set(tmp_path, ingest, fail):
    file = write(tmp_path / "a.csv", "month,id,day,flag,n\n01,7,2013-01-01,true,1\n02,8,2013-01-02,false,\n")
    result = ingest(file, column_types={"month": "int64", "id": "string", "day": "BYTES", "flag": "INT", "n": "float32"})
    assert rows(result) == [
        {"month": 1, "id": "7", "day": "2013-01-01", "flag": 1, "n": 1.0},
        {"month": 2, "id": "8", "day": "2013-01-02", "flag": 0, "n": None},
    ]
    assert kinds(result)["n"] == "float"
    assert "column 'day' of" in (line := fail(file, column_types={"day": "FLOAT"}))
    assert "holds '2013-01-01', which is not a valid float" in line
    assert "column_types names 'z'" in fail(file, column_types={"z": "string"})
    assert "give int64, float32 or string" in fail(file, column_types={"id": "text"})


def test_types_that_are_set_hold_for_every_format(tmp_path, ingest):
    table = pa.table({"id": pa.array([2**63 + 1, 7], pa.uint64()), "n": ["1", "2"], "l": pa.array([[2**63], []], pa.list_(pa.uint64()))})
    pq.write_table(table, tmp_path / "a.parquet")
    result = ingest(tmp_path / "a.parquet", column_types={"id": "string", "n": "int64", "l": "string"})
    assert rows(result) == [{"id": "9223372036854775809", "n": 1, "l": ["9223372036854775808"]}, {"id": "7", "n": 2, "l": []}]


def test_types_come_from_a_schema_where_the_values_fit(tmp_path, ingest):
    file = write(tmp_path / "a.csv", "zip,month,x,broken,extra\n10115,01,1,7,1\n80331,02,2,seven,2\n")
    names = (("zip", "BYTES"), ("month", "INT"), ("x", "FLOAT"), ("broken", "INT"), ("absent", "INT"))
    schema = "".join(f'feature {{ name: "{name}" type: {kind} }}\n' for name, kind in names)
    result = ingest(file, schema_file=schema)
    assert kinds(result) == {"zip": "string", "month": "int64", "x": "float", "broken": "string", "extra": "int64"}
    assert column(result, "month") == [1, 2]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_no_byte_is_lost_where_blocks_meet(tmp_path, ingest, end):
    head = 'id,s\n0,"'
    for cut in (-2, -1, 0):
        long = "z" * ((1 << 20) - len(head) + cut) + f"A{end}B"
        (tmp_path / "a.csv").write_bytes(f'{head}{long}"\n1,"plain"\n'.encode())
        assert column(ingest(tmp_path / "a.csv"), "s") == [long, "plain"]


def test_characters_that_blocks_cut_a_mark_and_no_end_of_the_last_line(tmp_path, ingest):
    lines = [f"{number},{'é€😀' * 3}" for number in range(60_000)]
    (tmp_path / "a.csv").write_bytes(("\ufeffid,s\r\n" + "\r\n".join(lines)).encode())
    result = ingest(tmp_path / "a.csv")
    assert [f"{row['id']},{row['s']}" for row in rows(result)] == lines


def test_a_row_that_is_longer_than_a_block(tmp_path, ingest):
    long = "x" * (3 << 20)
    assert column(ingest(write(tmp_path / "a.csv", f"id,s\n1,{long}\n2,b\n")), "s") == [long, "b"]


def test_blank_lines(tmp_path, ingest):
    """A blank line is a row only where a row has one field."""
    assert column(ingest(write(tmp_path / "one.csv", "x\n1\n\n3\n\n")), "x") == [1, None, 3, None]
    assert column(ingest(write(tmp_path / "two.csv", "x,y\n1,2\n\n3,4\n\n")), "x") == [1, 3]


COMPRESS = {"gzip": gzip.compress, "bz2": bz2.compress, "zstd": lambda data: pa.Codec("zstd").compress(data, asbytes=True)}


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.bz2", "a.csv.zst", "a.tsv.zstd", "a.csv", "wrong.csv.gz"])
@pytest.mark.parametrize("compression", [None, "gzip", "bz2", "zstd"])
def test_compression_is_detected_by_the_bytes(tmp_path, ingest, fail, name, compression):
    lines = ["x,y\n", *(f"{number},b\n" for number in range(2000))]
    compress = COMPRESS.get(compression, bytes)
    data = b"".join(compress("".join(part).encode()) for part in (lines[:700], lines[700:]))
    (tmp_path / name).write_bytes(data)
    assert column(ingest(tmp_path / name), "x") == list(range(2000))
    if compression:
        (tmp_path / name).write_bytes(data[:-20])
        assert "cannot be read as CSV" in fail(tmp_path / name)


@pytest.mark.parametrize(("mark", "message"), [(b"PK\x03\x04", "zip"), (b"\xfd7zXZ\x00", "xz"), (b"\x04\x22\x4d\x18", "lz4")])
def test_other_compressions_are_named(tmp_path, fail, mark, message):
    (tmp_path / "a.csv").write_bytes(mark + bytes(100))
    assert f"is compressed with {message}; decompress it" in fail(tmp_path / "a.csv")

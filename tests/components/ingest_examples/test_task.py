"""ingest_examples, run as its container runs it."""

import gzip
import http.server
import json
import subprocess
import sys
import threading

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.components.data.examples import read_schema
from penstock.components.data.hashing import hash_rows

from .examples import NAME, ONE, column, rows, write


def many(count: int) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "id": np.arange(count),
            "who": pa.array([f"w{i % 997}" for i in range(count)]),
            "x": rng.normal(size=count).astype(np.float32),
            "when": pa.array(1356998400 + 60 * np.arange(count), pa.timestamp("s")),
        }
    )


def test_csv_becomes_canonical_parquet_with_its_lineage(tmp_path, ingest):
    text = "i,f,s,b,t,e,late\n1,1.5,x,true,2013-01-01 00:00:10,,1\n, 2,,False,2013-01-02,,x\n3,NaN,é,TRUE,1969-12-31,,\n"
    file = write(tmp_path / "in" / "a.csv", text)
    result = ingest(file)
    assert rows(result) == [
        {"i": 1, "f": 1.5, "s": "x", "b": 1, "t": 1356998410, "e": None, "late": "1"},
        {"i": None, "f": 2.0, "s": None, "b": 0, "t": 1357084800, "e": None, "late": "x"},
        {"i": 3, "f": None, "s": "é", "b": 1, "t": -86400, "e": None, "late": None},
    ]
    kinds = {field.name: str(field.type) for field in read_schema(result.outputs["examples"], "all")}
    assert kinds == {"i": "int64", "f": "float", "s": "string", "b": "int64", "t": "int64", "e": "string", "late": "string"}
    metadata = result.metadata["examples"]
    assert (metadata["format"], metadata["splits"], metadata["rows"], metadata["dropped_rows"]) == ("parquet", {"all": 3}, 3, 0)
    assert metadata["sources"][0]["uri"] == file.as_uri()
    assert metadata["sources"][0]["bytes"] == len(text.encode())
    assert metadata["bytes"] == sum(path.stat().st_size for path in result.outputs["examples"].rglob("*.parquet"))
    assert result.parameters == {"rows": 3, "span": 0}
    assert metadata["summary"] == "3 rows: all 3"


def test_the_summary_lists_the_splits_in_order(tmp_path, ingest):
    file = write(tmp_path / "a.csv", "where\nx\ny\nz\n")
    result = ingest(file, split_by="column", split_key="where", splits={"train": ["x", "y"], "eval": ["z"]})
    assert result.metadata["examples"]["summary"] == "3 rows: eval 1, train 2"


def test_a_column_that_turns_to_floats_or_text_after_the_first_block(tmp_path, ingest):
    lines = [f"{i},{i},{'' if i < 250_000 else i},abcdefgh" for i in range(300_000)]
    lines[280_000] = "280000.5,x,7,abcdefgh"
    result = ingest(write(tmp_path / "a.csv", "number,text,sparse,filler\n" + "\n".join(lines) + "\n"))
    kinds = {field.name: str(field.type) for field in read_schema(result.outputs["examples"], "all")}
    assert kinds == {"number": "float", "text": "string", "sparse": "int64", "filler": "string"}
    assert column(result, "number")[280_000] == 280000.5


def test_the_same_rows_give_the_same_bytes_whatever_they_came_in(tmp_path, ingest):
    import tensorflow as tf
    from pyarrow import csv

    table = many(40_000).drop(["when"])
    csv.write_csv(table, tmp_path / "a.csv")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    pq.write_table(table.slice(0, 12_345), tmp_path / "parts-1.parquet", row_group_size=1000)
    pq.write_table(table.slice(12_345), tmp_path / "parts-2.parquet")

    def feature(value):
        if isinstance(value, str):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))

    for name, compression in (("a.tfrecord", ""), ("tfrecord-00000-of-00001.gz", "GZIP")):
        with tf.io.TFRecordWriter(str(tmp_path / name), compression) as writer:
            for row in table.to_pylist():
                example = tf.train.Example(features=tf.train.Features(feature={key: feature(value) for key, value in row.items()}))
                writer.write(example.SerializeToString())

    inputs = ["a.csv", "b.csv.gz", "parts-*.parquet", "a.tfrecord", "tfrecord-00000-of-00001.gz"]
    results = [ingest(tmp_path / name, splits={"train": 2, "eval": 1}) for name in inputs]
    assert len({result.metadata["examples"]["fingerprint"] for result in results}) == 1
    assert pa.Table.from_pylist(rows(results[0], "train") + rows(results[0], "eval"), table.schema).sort_by("id").equals(table)


def test_tfrecord_lists_and_missing_features(tmp_path, ingest):
    import tensorflow as tf
    from google.protobuf import text_format

    texts = [
        'feature { key: "l" value { int64_list { value: [1, 2] } } } feature { key: "s" value { bytes_list { value: "a" } } }',
        'feature { key: "l" value { int64_list { value: 3 } } } feature { key: "s" value { bytes_list {} } }',
        'feature { key: "f" value { float_list { value: 0.5 } } }',
    ]
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        for text in texts:
            writer.write(tf.train.Example(features=text_format.Parse(text, tf.train.Features())).SerializeToString())
    assert rows(ingest(tmp_path / "a.tfrecord")) == [
        {"f": None, "l": [1, 2], "s": "a"},
        {"f": None, "l": [3], "s": None},
        {"f": 0.5, "l": None, "s": None},
    ]


def test_arrow_types_become_canonical(tmp_path, ingest):
    import datetime
    import decimal

    noon = datetime.datetime(2013, 1, 1, 12, tzinfo=datetime.timezone.utc)
    arrays = {
        "dictionary": pa.array(["a", "b", None]).dictionary_encode(),
        "decimal": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-2.5")]),
        "uint8": pa.array([1, 2, None], pa.uint8()),
        "bool": pa.array([True, None, False]),
        "micros": pa.array([noon, None, noon], pa.timestamp("us", "Europe/Berlin")),
        "date": pa.array([noon.date(), None, noon.date()]),
        "large": pa.array(["a", None, "c"], pa.large_string()),
        "bools": pa.array([[True, False], [], None]),
        "dates": pa.array([[noon.date()], None, []], pa.list_(pa.date32())),
        "float64": pa.array([float("inf"), float("nan"), None], pa.float64()),
    }
    pq.write_table(pa.table(arrays), tmp_path / "a.parquet")
    first, second, third = rows(ingest(tmp_path / "a.parquet"))
    assert first == {
        "dictionary": "a", "decimal": 1.25, "uint8": 1, "bool": 1, "micros": 1357041600, "date": 1356998400,
        "large": "a", "bools": [1, 0], "dates": [1356998400], "float64": float("inf"),
    }  # fmt: skip
    assert second.pop("float64") != second.get("float64", 0)  # NaN stays NaN
    assert second == dict.fromkeys(second) | {"dictionary": "b", "uint8": 2, "bools": []}
    assert third == dict.fromkeys(third) | {"decimal": -2.5, "bool": 0, "micros": 1357041600, "date": 1356998400, "large": "c", "dates": []}


def test_files_may_disagree_about_nulls_and_whole_numbers(tmp_path, ingest):
    pq.write_table(pa.table({"x": [1, 2], "y": pa.nulls(2), "z": [[1], [2, 3]]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"z": [4], "x": [0.5], "y": ["a"]}), tmp_path / "2.parquet")
    pq.write_table(pa.table({"z": pa.array([None], pa.int64()), "x": [7.0], "y": ["b"]}), tmp_path / "3.parquet")
    assert rows(ingest(tmp_path)) == [
        {"x": 1.0, "y": None, "z": [1]},
        {"x": 2.0, "y": None, "z": [2, 3]},
        {"x": 0.5, "y": "a", "z": [4]},
        {"x": 7.0, "y": "b", "z": None},
    ]


@pytest.mark.parametrize(
    ("parameters", "expected", "span", "version"),
    [
        ({}, ["3.2"], 3, 2),
        ({"spans": "2"}, ["2.2"], 2, 2),
        ({"spans": "1:2"}, ["1.1", "2.2"], 2, 2),
        ({"spans": "latest:2"}, ["2.2", "3.2"], 3, 2),
        ({"spans": "2", "version": "1"}, ["2.1"], 2, 1),
    ],
)
def test_spans_and_versions(tmp_path, ingest, parameters, expected, span, version):
    for name in ("1/v1", "2/v1", "2/v2", "3/v1", "3/v2", "latest/v9"):
        write(tmp_path / f"span-{name}" / "a.csv", f"x\nv{name[0]}.{name[-1]}\n")
        write(tmp_path / f"span-{name}" / "_SUCCESS", "")
    result = ingest(f"{tmp_path}/span-{{SPAN}}/v{{VERSION}}", **parameters)
    assert column(result, "x") == [f"v{text}" for text in expected]
    assert (result.metadata["examples"]["span"], result.metadata["examples"]["version"]) == (span, version)
    assert result.parameters["span"] == span


def test_dates_number_the_spans_by_days(tmp_path, ingest):
    for day in ("2013-01-31", "2013-02-01", "2013-02-02", "2013-02-31"):
        write(tmp_path / f"{day}.csv", f"x\nd{day}\n")
    pattern = f"{tmp_path}/{{YYYY}}-{{MM}}-{{DD}}.csv"
    assert ingest(pattern).parameters["span"] == 15738  # days from 1970-01-01 to 2013-02-02
    assert column(ingest(pattern, spans="2013-01-31:2013-02-01"), "x") == ["d2013-01-31", "d2013-02-01"]
    assert column(ingest(pattern, spans="15737"), "x") == ["d2013-02-01"]


@pytest.mark.parametrize("uri", ["link", "li*", "./link/", "file.csv"])
def test_links_are_followed(tmp_path, ingest, monkeypatch, uri):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "real" / "a.csv", "x\n1\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file.csv").symlink_to(tmp_path / "real" / "a.csv")
    assert column(ingest(uri), "x") == [1]


def test_any_filesystem(ingest):
    with fsspec.open("memory://bucket/data/1.csv", "w") as stream:
        stream.write("x\n1\n")
    with fsspec.open("memory://bucket/data/2.csv", "w") as stream:
        stream.write("x\n2\n")
    result = ingest("memory://bucket/data/*.csv")
    assert column(result, "x") == [1, 2]
    assert [source["uri"] for source in result.metadata["examples"]["sources"]] == [
        "memory:///bucket/data/1.csv",
        "memory:///bucket/data/2.csv",
    ]


def test_shares_are_met_and_adding_rows_moves_none(tmp_path, ingest):
    table = many(60_000)
    pq.write_table(table.slice(0, 30_000), tmp_path / "some.parquet")
    pq.write_table(table, tmp_path / "all.parquet")
    shares = {"train": 0.7, "eval": 0.2, "test": 0.1}
    by_row = ingest(tmp_path / "all.parquet", splits=shares).metadata["examples"]["splits"]
    assert by_row == pytest.approx({"train": 42_000, "eval": 12_000, "test": 6_000}, rel=0.05)
    options = {"split_by": "hash", "split_key": "who", "splits": shares}
    some, everything = ingest(tmp_path / "some.parquet", **options), ingest(tmp_path / "all.parquet", **options)
    for split in shares:
        assert set(column(some, "who", split)) == set(column(everything, "who", split))
    assert not set(column(everything, "who", "train")) & set(column(everything, "who", "eval"))


def test_the_hash_is_the_same_everywhere_and_for_ever():
    batch = pa.record_batch(
        {
            "i": pa.array([0, 1, None]),
            "f": pa.array([0.5, None, -1.0], pa.float32()),
            "s": pa.array(["a", None, ""]),
            "l": pa.array([["a", "b"], ["b", "a"], None]),
        }
    )
    assert [int(value) for value in hash_rows(batch)] == [5912113336680508382, 13516290646619961890, 94879798226985519]


def test_splits_by_value(tmp_path, ingest):
    file = write(tmp_path / "a.csv", "month,who\n1,a\n2,b\n3,c\n,d\n")
    result = ingest(file, split_by="column", split_key="month", splits={"train": [1, 2], "eval": [3]}, exclude_columns=["month"])
    assert (rows(result, "train"), rows(result, "eval")) == ([{"who": "a"}, {"who": "b"}], [{"who": "c"}])
    assert result.metadata["examples"]["dropped_rows"] == 1
    result = ingest(file, split_by="column", split_key="who", splits={"train": ["a"], "eval": ["c", "z"]})
    assert (column(result, "month", "train"), column(result, "month", "eval")) == ([1], [3])


@pytest.mark.parametrize("form", ["timestamp", "date", "unix", "text"])
def test_splits_by_time(tmp_path, ingest, form):
    kinds = {"timestamp": pa.timestamp("ms", "America/New_York"), "date": pa.date32(), "unix": pa.int64(), "text": pa.string()}
    if form == "text":
        when = pa.array(["2013-09-30", "2013-10-01 00:00", "2013-11-30T23:59", "2013-12-01"])
    else:
        seconds = pa.array([1380499200, 1380585600, 1385769600, 1385856000], pa.timestamp("s"))
        when = seconds.cast(kinds[form]) if form != "unix" else seconds.cast(pa.int64())
    pq.write_table(pa.table({"when": when, "x": [1, 2, 3, 4]}), tmp_path / "a.parquet")
    splits = {"train": ["2013-01-01", "2013-10-01T00:00:00Z"], "eval": ["2013-10-01", "2013-11-30T19:00:00-05:00"]}
    result = ingest(tmp_path / "a.parquet", split_by="time", split_key="when", splits=splits)
    assert (column(result, "x", "train"), column(result, "x", "eval")) == ([1], [2, 3])


BAD_FILES = {
    "empty.csv": (b"", "is empty"),
    "header.csv": (b"a,b\n", "no rows"),
    "ragged.csv": (b"a,b\n1,2\n1,2,3\n", "Row #3: Expected 2 columns, got 3"),
    "semicolons.csv": (b"a;b\n1;2\n", "seems to be separated by ';'; set delimiter"),
    "latin1.csv": ("a,b\nx,Zürich\n".encode("latin-1"), "is not UTF-8"),
    "latin1-header.csv": ("a,Zürich\nx,y\n".encode("latin-1"), "is not UTF-8"),
    "utf16.csv": ("a,b\n1,2\n".encode("utf-16"), "is not UTF-8"),
    "twice.csv": (b"a,a\n1,2\n", "more than one column 'a'"),
    "unnamed.csv": (b",a\n1,2\n", "column 1 of"),
    "cut.csv.gz": (gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:-10], "cannot be read as CSV"),
    "text.parquet": (b"PAR1 but not really", "cannot be read as Parquet"),
    "empty.parquet": (b"", "cannot be read as Parquet"),
    "text.tfrecord": (b"not a record at all, but long enough to look", "cannot be read as TFRecord"),
    "cut.tfrecord.gz": (gzip.compress(b"x" * 1000)[:-10], "cannot be read as TFRecord"),
    "empty.tfrecord": (b"", "is empty"),
    "data.xlsx": (b"PK", "does not show its format"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(tmp_path, fail, name):
    content, message = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    line = fail(tmp_path / name)
    assert message in line
    assert name in line or message == "no rows"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"input_uri": "{}/none.csv"}, "matches no file"),
        ({"input_uri": "nothing://bucket/a.csv"}, "cannot be listed"),
        ({"input_format": "excel"}, "give csv, parquet, tfrecord or auto"),
        ({"delimiter": ";;"}, "the one character"),
        ({"split_by": "luck"}, "give ratio, hash, column, time or pattern"),
        ({"split_by": "hash"}, "split_key is empty"),
        ({"split_by": "hash", "split_key": "z"}, "split_key 'z' is not a column"),
        ({"splits": {}}, "splits is empty"),
        ({"splits": {"a/b": 1}}, "'a/b'"),
        ({"splits": {"train": -1}}, "share above 0"),
        ({"split_by": "column", "split_key": "x", "splits": {"train": 1}}, "a list of values"),
        ({"split_by": "column", "split_key": "x", "splits": {"train": ["a"]}}, "do not fit"),
        ({"split_by": "column", "split_key": "x", "splits": {"train": [1], "eval": [1]}}, "to both"),
        ({"split_by": "column", "split_key": "x", "splits": {"train": [1], "eval": [9]}}, "Split 'eval' is empty"),
        ({"split_by": "time", "split_key": "x", "splits": {"train": "2013"}}, "[start, end]"),
        ({"split_by": "time", "split_key": "x", "splits": {"train": ["2013-02-01", "2013-01-01"]}}, "not after its start"),
        (
            {"split_by": "time", "split_key": "x", "splits": {"a": ["2013-01-01", "2013-03-01"], "b": ["2013-02-01", "2013-04-01"]}},
            "overlap",
        ),
        ({"split_by": "time", "split_key": "s", "splits": {"a": ["2013-01-01", "2013-03-01"]}}, "not an ISO 8601 time"),
        ({"exclude_columns": ["z"]}, "exclude_columns names 'z'"),
        ({"exclude_columns": ["x", "s"]}, "excludes every column"),
        ({"spans": "3"}, "has no {SPAN}"),
        ({"version": "3"}, "has no {VERSION}"),
        ({"input_uri": "{}/{{SPAN}}-{{YYYY}}.csv"}, "both {SPAN} and a date"),
        ({"input_uri": "{}/{{DD}}.csv"}, "incomplete date"),
        ({"input_uri": "{}/span-{{SPAN}}.csv", "spans": "soon"}, "give latest, latest:k"),
        ({"input_uri": "{}/span-{{SPAN}}.csv", "spans": "9"}, "from 1 to 1"),
        ({"input_uri": "{}/at-{{SPAN}}.csv"}, "Span 20261129123456789 is above 2^53"),
    ],
)
def test_bad_parameters(tmp_path, fail, parameters, message):
    write(tmp_path / "a.csv", "x,s\n1,a\n2,b\n")
    write(tmp_path / "span-1.csv", "x,s\n1,a\n2,b\n")
    write(tmp_path / "at-20261129123456789.csv", "x,s\n1,a\n2,b\n")
    parameters = {"input_uri": "{}/a.csv"} | parameters
    assert message in fail(parameters.pop("input_uri").format(tmp_path), **parameters)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"x": [1]}, "column 's' is missing in"),
        ({"x": [1], "s": ["a"], "t": ["b"]}, "column 't' of"),
        ({"x": ["one"], "s": ["a"]}, "column 'x' changes its type: int64 in"),
        ({"x": [{"a": 1}], "s": ["a"]}, "which Examples do not support"),
        ({"x": pa.array([2**63], pa.uint64()), "s": ["a"]}, "cannot be stored as int64"),
    ],
)
def test_files_that_do_not_go_together(tmp_path, fail, second, message):
    pq.write_table(pa.table({"x": [1], "s": ["a"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table(second), tmp_path / "2.parquet")
    line = fail(tmp_path)
    assert message in line
    assert "2.parquet" in line


def test_a_column_that_cannot_be_held_can_be_excluded(tmp_path, ingest):
    pq.write_table(pa.table({"x": [1, 2], "struct": [{"a": 1}, {"a": 2}]}), tmp_path / "a.parquet")
    assert rows(ingest(tmp_path / "a.parquet", exclude_columns=["struct"])) == [{"x": 1}, {"x": 2}]


def test_mixed_formats_are_refused(tmp_path, fail):
    write(tmp_path / "a.csv", "x\n1\n")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "b.parquet")
    assert "several formats (csv, parquet)" in fail(tmp_path)


def test_a_split_of_one_row_and_a_tab_delimiter(tmp_path, ingest):
    file = write(tmp_path / "a.tsv", "x\ty\n1\ta\n2\tb\n")
    result = ingest(file, delimiter="\\t", split_by="column", split_key="x", splits={"train": [1], "eval": [2]})
    assert result.metadata["examples"]["splits"] == {"train": 1, "eval": 1}


def test_a_full_disk(tmp_path, run_task, small_disk):
    pq.write_table(many(100_000), tmp_path / "a.parquet")
    result = run_task(NAME, {"input_uri": str(tmp_path / "a.parquet")})
    assert result.code == 1
    assert result.error.startswith("error: cannot write")
    assert list(small_disk.iterdir()) == []


def test_the_container_command_needs_no_tensorflow(tmp_path, run_task):
    file = write(tmp_path / "a.csv", "x\n1\n2\n")
    result = run_task(NAME, {"input_uri": str(file), "splits": ONE}, subprocess=True)
    assert (result.code, result.parameters["rows"]) == (0, 2)
    bad = run_task(NAME, {"input_uri": str(tmp_path / "none.csv")}, subprocess=True)
    assert (bad.code, bad.error.count("\n")) == (1, 0)
    code = "import sys, penstock.components.ingest_examples.task; print([m for m in ('tensorflow', 'pandas', 'apache_beam') if m in sys.modules])"
    path = json.dumps([entry for entry in sys.path if entry])
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path}; {code}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class _Files(http.server.BaseHTTPRequestHandler):
    """Answers a GET of `/rows.csv` that is signed, and refuses any other."""

    def do_HEAD(self) -> None:
        is_signed = self.path == "/rows.csv?X-Goog-Signature=SECRET"
        self.send_response(200 if is_signed else 403)
        self.send_header("Content-Length", str(len(_ROWS)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(_ROWS)

    def log_message(self, *_: object) -> None:
        pass


_ROWS = b"a,b\n" + b"".join(b"%d,%d\n" % (row, row) for row in range(50))


def test_a_signed_url_is_read_and_its_signature_stays_secret(run_task, tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/rows.csv"
        done = run_task("ingest_examples", {"input_uri": f"{url}?X-Goog-Signature=SECRET", "input_format": "csv"})
        refused = run_task("ingest_examples", {"input_uri": f"{url}?X-Goog-Signature=SECRETS", "input_format": "csv"})
        server.shutdown()
    assert done.code == 0, done.error
    assert done.metadata["examples"]["sources"][0]["uri"] == f"{url}?***"
    assert "SECRET" not in done.executor_output.read_text()
    assert refused.code == 1
    assert url in refused.error
    assert "SECRET" not in refused.error


def test_many_sources_leave_room_for_other_arguments(tmp_path, ingest):
    """Examples' metadata reaches their consumers in one argument, which Kubeflow keeps below 120 KiB."""
    folder = tmp_path / ("deep" * 40)
    folder.mkdir()
    for number in range(120):
        (folder / f"{number:03d}.csv").write_text("a\n1\n")
    metadata = ingest(folder, splits={"all": 1}).metadata["examples"]
    assert metadata["source_count"] == 120
    assert 0 < len(json.dumps(metadata["sources"])) < 9000

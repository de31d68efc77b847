"""What a Schema alone finds: proposed ranges, rows that are there twice, empty cells; and what it does not."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from .tables import evidence, findings, frame


def test_the_inferred_schema_proposes_ranges(examples, validate):
    miles = np.linspace(17, 4983, 4000)
    finite = validate(
        examples("good", train=frame(miles=miles, year=2013, t=np.linspace(-5, 5, 4000)), eval=frame(1000, miles=5000.0, year=2014, t=0.0))
    )
    assert finite.code == 0, finite.error
    text = (finite.outputs["schema"] / "schema.pbtxt").read_text()
    schema = text_format.Parse(text, schema_pb2.Schema())
    domains = {
        feature.name: getattr(feature, feature.WhichOneof("domain_info")) for feature in schema.feature if feature.WhichOneof("domain_info")
    }
    assert (domains["miles"].min, domains["miles"].max) == (0, 7500)
    assert (domains["miles"].disallow_nan, domains["miles"].disallow_inf) == (True, True)
    assert (domains["t"].min, domains["t"].max) == (-10, 10)
    assert (domains["n"].min, domains["n"].max) == (0, 74)
    assert domains["late"] == schema_pb2.BoolDomain()
    broken = pa.Table.from_pandas(frame(miles=miles * 1.609, year=2013), preserve_index=False)
    broken = broken.append_column("t", pa.array(np.where(np.arange(4000) < 9, np.nan, 0), from_pandas=False))
    assert findings(validate(examples("broken", train=broken), schema_file=text)) == [
        ("train", "miles", "FLOAT_TYPE_BIG_FLOAT"),
        ("train", "t", "FLOAT_TYPE_HAS_NAN"),
    ]


def test_the_page_says_what_nothing_protects(examples, validate):
    before = validate(examples("before", train=frame(same=1.5)))
    assert evidence(before)["unprotected"] == {"values": ["same"], "distribution": ["c", "late", "n", "same", "x"]}
    page = before.outputs["report"].read_text()
    assert "any value passes: <code>same</code>" in page
    assert "is not compared" in page
    after = validate(examples("after", train=frame(seed=1, same=1.5)), previous_statistics=str(before.outputs["statistics"]))
    assert evidence(after)["unprotected"] == {"values": ["same"], "distribution": []}


def test_rows_that_are_there_twice_are_counted(examples, validate):
    rows = pa.table(
        {"x": [1.5, 2.5, None, None], "c": ["a", None, "b", None], "l": [[1, 2], [], [1], None], "b": [b"\xff", b"1", b"2", b"3"]}
    )
    other = pa.table({"x": [1.5, 1.5, 9.0], "c": ["a", "a", "b"], "l": [[1, 2], [2, 1], None], "b": [b"\xff", b"\xff", b"2"]})
    result = validate(examples(train=pa.concat_tables([rows, rows]), eval=other.cast(rows.schema)), min_rows=1)
    assert evidence(result)["repeats"] == {
        "eval": {"rows": 3, "repeated": 0, "elsewhere": 1},
        "train": {"rows": 8, "repeated": 4, "elsewhere": 2},
    }
    warnings = findings(result, "WARNING")
    assert ("train", "", "REPEATED_ROWS") in warnings
    assert {split for split, _, kind in warnings if kind == "SHARED_ROWS"} == {"train", "eval"}
    assert "4 of 8 rows (50.00%) equal an earlier row" in str(evidence(result)["findings"])


@pytest.mark.parametrize("shape", [True, False])
def test_a_schema_of_tfx_for_empty_cells_is_one_finding_with_its_cure(examples, validate, shape):
    # TFX's CsvExampleGen writes an empty cell as a list without values, which is present.
    cells = {f"f{i}": pa.array([[1.0]] * 80 + [[]] * 20) for i in range(17)} | {"i": pa.array([[i] for i in range(100)])}
    seen = tfdv.generate_statistics_from_dataframe(pa.table(cells).to_pandas())
    schema = text_format.MessageToString(tfdv.infer_schema(seen, infer_feature_shape=shape))
    flat = pa.table({f"f{i}": pa.array([1.0] * 80 + [None] * 20) for i in range(17)} | {"i": pa.array(range(100))})
    result = validate(examples(train=flat), schema_file=schema)
    assert findings(result) == [("train", "", "FEATURE_TYPE_LOW_FRACTION_PRESENT")]
    assert "TFX's SchemaGen writes for the empty cells of a CSV file" in result.error
    assert "take min_fraction out of these features" in result.error
    assert "f16 (20)" in result.error


def test_long_values_are_cut(examples, validate):
    reviews = [f"{word} " * 150 for word in ("good", "bad", "fine", "poor", "dull")]
    schema = 'feature { name: "c" type: BYTES domain: "c" } string_domain { name: "c" value: "known" }\n'
    result = validate(examples(train=pa.table({"c": reviews * 20})), schema_file=schema)
    assert result.code == 1
    assert len(result.error) < 800
    assert all(f"{word} {word}" in result.error for word in ("good", "bad", "fine", "poor", "dull"))
    one = validate(examples("one", train=pa.table({"c": reviews[:1] * 20, "i": range(20)})))
    assert max(len(found["description"]) for found in evidence(one)["findings"]) < 200
    assert len(one.outputs["report"].read_text()) < 20_000

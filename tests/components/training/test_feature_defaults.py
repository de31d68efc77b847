"""The defaults of a Schema, beside the model that was trained with them."""

from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.release.feature_defaults import read_defaults, write_defaults

DENSE = """
tensor_representation_group {{ key: "{group}" value {{
  tensor_representation {{ key: "wind" value {{ dense_tensor {{ column_name: "wind" default_value {{ float_value: -1.5 }} }} }} }}
  tensor_representation {{ key: "seats" value {{ dense_tensor {{ column_name: "seats" shape {{ dim {{ size: 1 }} }} default_value {{ int_value: 7 }} }} }} }}
  tensor_representation {{ key: "tail" value {{ dense_tensor {{ column_name: "tail" default_value {{ bytes_value: "none" }} }} }} }}
  tensor_representation {{ key: "raw" value {{ dense_tensor {{ column_name: "raw" default_value {{ bytes_value: "\\377" }} }} }} }}
  tensor_representation {{ key: "pairs" value {{ dense_tensor {{
    column_name: "pairs" shape {{ dim {{ size: 3 }} dim {{ size: 2 }} }} default_value {{ int_value: 0 }} }} }} }}
  tensor_representation {{ key: "hour" value {{ dense_tensor {{ column_name: "hour" }} }} }}
  tensor_representation {{ key: "tags" value {{ varlen_sparse_tensor {{ column_name: "tags" }} }} }}
}} }}
"""


def schema(group: str) -> schema_pb2.Schema:
    return text_format.Parse(DENSE.format(group=group), schema_pb2.Schema())


def test_defaults_are_written_as_json_rows_have_them(tmp_path: Path):
    write_defaults(tmp_path, schema(""))
    assert read_defaults(tmp_path) == {
        "wind": -1.5,
        "seats": 7,
        "tail": "none",
        "raw": {"b64": "/w=="},
        "pairs": [[0, 0], [0, 0], [0, 0]],
    }
    assert (tmp_path / "assets.extra" / "feature_defaults.json").is_file()


def test_a_model_whose_schema_names_none_stays_as_it_is(tmp_path: Path):
    for each in (schema_pb2.Schema(), schema("of another use")):
        write_defaults(tmp_path, each)
        assert read_defaults(tmp_path) == {}
    assert not list(tmp_path.iterdir())

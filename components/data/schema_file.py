"""A Schema that the user gives as text, path or URI."""

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.protocol.errors import TaskError

from .source import read_text


def read_schema_file(schema_file: str) -> schema_pb2.Schema:
    """Reads a Schema from text, path or URI.

    Raises:
        TaskError: It cannot be read, does not parse, or names no feature.
    """
    text = read_text(schema_file, "schema_file")
    try:
        schema = text_format.Parse(text, schema_pb2.Schema())
    except (text_format.ParseError, RecursionError) as error:
        raise TaskError(f"schema_file is not a valid Schema (TFMD's schema.pbtxt): {error} (line:column); correct it") from error
    if not schema.feature:
        raise TaskError("schema_file has no features; add them, or leave schema_file empty to infer a Schema")
    return schema

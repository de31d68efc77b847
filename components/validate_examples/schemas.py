"""The Schema: reviewed by people, or inferred and offered for review."""

from pathlib import Path

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from .statistics import Statistics

FILE = "schema.pbtxt"
_INFERRED = "# Inferred from the data, reviewed by nobody yet. Review it, keep it under version control, and pass it as schema_file.\n"


def infer(statistics: Statistics) -> schema_pb2.Schema:
    """Infers a Schema; features and domains are sorted, because their order would depend on the source's."""
    schema = tfdv.infer_schema(statistics)
    schema.feature.sort(key=lambda feature: feature.name)
    schema.string_domain.sort(key=lambda domain: domain.name)
    return schema


def save(schema: schema_pb2.Schema, folder: Path, is_inferred: bool) -> None:
    """Writes `schema.pbtxt`, with a first line that says so if it was inferred."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text((_INFERRED if is_inferred else "") + text_format.MessageToString(schema), encoding="utf-8")


def for_statistics(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Returns a copy in which 0/1 features count as numbers, unless a comparator wants them as categories.

    A Schema that was inferred calls them bool only after their Statistics were computed as numbers. Were they categories from
    then on, TFDV could not compare the two, and would skip the comparison with a warning in its log.
    """
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    for feature in result.feature:
        wants_categories = any(
            getattr(feature, comparator).HasField("infinity_norm") for comparator in ("drift_comparator", "skew_comparator")
        )
        if feature.type in (schema_pb2.INT, schema_pb2.FLOAT) and feature.HasField("bool_domain") and not wants_categories:
            feature.ClearField("bool_domain")
    return result

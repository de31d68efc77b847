"""Arrow batches of Examples as tensors, by Schema: what tf.Transform, training and evaluation feed their graphs with.

A missing value (null) is not a value, as in tf.Example: a `VarLenFeature` has an empty row there, a `FixedLenFeature` takes its
default, and one without a default is an error.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tensor_representation_util as representations
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig

from penstock.components.protocol.errors import TaskError

SCHEMA_FILE = "schema.pbtxt"
_VALUE_TYPES = {schema_pb2.INT: pa.int64(), schema_pb2.FLOAT: pa.float32(), schema_pb2.BYTES: pa.large_binary()}
_SCHEMA_TYPES = {
    schema_pb2.INT: (pa.types.is_integer, pa.types.is_boolean),
    schema_pb2.FLOAT: (pa.types.is_floating, pa.types.is_integer),
    schema_pb2.BYTES: (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary),
}


def load_schema(folder: Path) -> schema_pb2.Schema:
    """Reads a Schema artifact.

    Raises:
        TaskError: There is no `schema.pbtxt`, or it does not parse.
    """
    path = Path(folder) / SCHEMA_FILE
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError, RecursionError) as error:
        raise TaskError(f"the Schema {path} cannot be read ({error}); give a Schema in TFMD's format") from error


class Tensors:
    """Turns Arrow batches into the tensors that a Schema describes.

    Attributes:
        columns: The columns that the tensors are made of.
        config: The same as tfx_bsl's TensorAdapterConfig, for Beam.
    """

    def __init__(self, schema: schema_pb2.Schema) -> None:
        """Reads the Schema.

        Raises:
            TaskError: It has no features, or one that no tensor can be made of.
        """
        types = {feature.name: feature.type for feature in schema.feature}
        try:
            tensors = representations.InferTensorRepresentationsFromMixedSchema(schema)
            sources = [
                str(path) for tensor in tensors.values() for path in representations.GetSourceColumnsFromTensorRepresentation(tensor)
            ]
            self.columns = list(dict.fromkeys(sources))
            self._types = {name: types[name] for name in self.columns}
            fields = [(name, pa.large_list(_VALUE_TYPES[self._types[name]])) for name in self.columns]
            self.config = TensorAdapterConfig(pa.schema(fields), tensors)
            self._adapter = TensorAdapter(self.config)
        except (ValueError, KeyError, NotImplementedError) as error:
            raise TaskError(f"the Schema cannot be converted to tensors ({error}); correct its features") from error
        if not self.columns:
            raise TaskError("the Schema has no features; give the Schema of the Examples")
        dense = [tensor.dense_tensor for tensor in tensors.values() if tensor.HasField("dense_tensor")]
        self._dense = {one.column_name: (math.prod(dim.size for dim in one.shape.dim), one.HasField("default_value")) for one in dense}

    def missing(self, columns: list[str]) -> list[str]:
        """Returns the columns that the Schema has and these lack."""
        return [name for name in self.columns if name not in columns]

    def check(self, columns: pa.Schema, where: str, may_lack: bool = False) -> None:
        """Checks that columns are there and have the Schema's types; whole numbers may stand for floats.

        Args:
            columns: The Arrow schema of what is to be read.
            where: What to call it in an error.
            may_lack: Whether columns may be missing.

        Raises:
            TaskError: A column is missing, or its type is another one.
        """
        for name, kind in self._types.items():
            if name not in columns.names:
                if may_lack:
                    continue
                raise TaskError(f"{where} lacks the column {name!r} that the Schema has; ingest it, or mark the feature as DEPRECATED")
            found = _element_type(columns.field(name).type)
            if not pa.types.is_null(found) and not any(fits(found) for fits in _SCHEMA_TYPES[kind]):
                named = schema_pb2.FeatureType.Name(kind)
                raise TaskError(f"column {name!r} of {where} holds {found}, but the Schema says {named}; correct the data or the Schema")

    def to_lists(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns a batch as tfx_bsl reads it: each column a large_list of int64, float32 or large_binary, null where missing.

        Raises:
            TaskError: A value does not fit its type, or a row has another number of values than the Schema says.
        """
        columns = self.config.arrow_schema
        return pa.RecordBatch.from_arrays([self._to_lists(batch, field) for field in columns], schema=columns)

    def _to_lists(self, batch: pa.RecordBatch, field: pa.Field) -> pa.LargeListArray:
        try:
            lists = _to_lists(batch.column(field.name), field.type.value_type)
        except pa.ArrowInvalid as error:
            raise TaskError(f"column {field.name!r} cannot be read as {field.type.value_type} ({error}); correct the data") from error
        if field.name in self._dense:
            length, has_default = self._dense[field.name]
            lengths = pc.list_value_length(lists)
            if lists.null_count and not has_default:
                raise TaskError(
                    f"column {field.name!r} is missing in some rows, but the Schema gives it a shape and no default; "
                    "take the shape and the min_fraction of 1 out of the Schema (a VarLenFeature), or fill the values"
                )
            if pc.any(pc.not_equal(lengths, length)).as_py():
                raise TaskError(
                    f"column {field.name!r} has rows without exactly {length} values, which the Schema asks for; correct one of them"
                )
        return lists

    def misfits(self, batch: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Returns, for each column that the Schema gives a shape, the rows for which there is no tensor: a bool per row."""
        found = {}
        for name, (length, has_default) in self._dense.items():
            column = batch.column(name)
            is_list = pa.types.is_nested(column.type)
            lengths = pc.list_value_length(column) if is_list else pa.array(np.ones(len(column), np.int32))
            wrong = np.asarray(pc.fill_null(pc.not_equal(lengths, length), False))
            found[name] = wrong if has_default else wrong | np.asarray(column.is_null())
        return found

    def to_tensors(self, batch: pa.RecordBatch) -> dict[str, Any]:
        """Returns eager tensors by name: `tf.Tensor` [rows, ...], `tf.SparseTensor` [rows, longest] or `tf.RaggedTensor`.

        Raises:
            TaskError: The rows do not fit the Schema.
        """
        lists = self.to_lists(batch)
        try:
            return self._adapter.ToBatchTensors(lists, produce_eager_tensors=True)
        except ValueError as error:
            raise TaskError(f"the rows do not fit the Schema: {error}: {error.__cause__}; correct one of them") from error


def without(schema: schema_pb2.Schema, names: list[str]) -> schema_pb2.Schema:
    """Returns a Schema without some features, and without the tensors that are made of them."""
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    for place in reversed(range(len(result.feature))):
        if result.feature[place].name in names:
            del result.feature[place]
    for group in result.tensor_representation_group.values():
        for name in list(group.tensor_representation):
            sources = representations.GetSourceColumnsFromTensorRepresentation(group.tensor_representation[name])
            if any(str(path) in names for path in sources):
                del group.tensor_representation[name]
    return result


def _element_type(kind: pa.DataType) -> pa.DataType:
    """Returns the type of the values in a plain, dictionary-encoded or list column."""
    while pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return kind


def _to_lists(column: pa.Array, element: pa.DataType) -> pa.Array:
    valid = np.asarray(column.is_valid())
    if pa.types.is_nested(column.type):
        parents, values = pc.list_parent_indices(column), pc.list_flatten(column)
        kept = values.is_valid()  # a null inside a list is not a value either
        lengths, values = np.bincount(np.asarray(parents.filter(kept)), minlength=len(column)), values.filter(kept)
    else:
        lengths, values = valid, column.drop_null()
    offsets = np.zeros(len(column) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    mask = None if valid.all() else pa.array(~valid)
    return pa.LargeListArray.from_arrays(offsets, values.cast(element), mask=mask)

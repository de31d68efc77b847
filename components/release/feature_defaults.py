"""The values that a model was trained on where a feature was missing, as its Schema names them: a file in the SavedModel's folder.

`assets.extra/feature_defaults.json`: a value by feature, as V1's JSON has it. train_model writes the file, the model server reads it.
"""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.components.evidence.answers import to_json

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

_FILE = Path("assets.extra") / "feature_defaults.json"


def write_defaults(model: Path, schema: "schema_pb2.Schema") -> None:
    """Writes the defaults of a Schema's dense tensors; a Schema without any leaves the model as it is.

    Source: https://github.com/tensorflow/metadata/blob/master/tensorflow_metadata/proto/v0/schema.proto, `DenseTensor.default_value`.
    """
    tensors = {
        name: one
        for key, group in schema.tensor_representation_group.items()
        if not key
        for name, one in group.tensor_representation.items()
    }
    defaults = {name: _filled(one.dense_tensor) for name, one in tensors.items() if one.dense_tensor.HasField("default_value")}
    if defaults:
        (model / _FILE).parent.mkdir(exist_ok=True)
        (model / _FILE).write_text(json.dumps(defaults, sort_keys=True) + "\n", encoding="utf-8")


def read_defaults(model: Path) -> dict[str, Any]:
    """Returns a model's defaults by feature; none where it has no file of them.

    Raises:
        ValueError: The file is not what `write_defaults` writes.
    """
    try:
        defaults = json.loads((model / _FILE).read_bytes())
    except FileNotFoundError:
        return {}
    if not isinstance(defaults, dict):
        raise ValueError(f"{model / _FILE} is not a JSON object; train the model again")
    return defaults


def _filled(tensor: "schema_pb2.TensorRepresentation.DenseTensor") -> Any:
    """Returns the default in a dense tensor's shape; one value alone is a scalar."""
    kind = tensor.default_value.WhichOneof("kind")
    value = to_json(getattr(tensor.default_value, kind)) if kind else 0
    sizes = [dim.size for dim in tensor.shape.dim]
    for size in reversed(sizes if math.prod(sizes) != 1 else []):
        value = [value] * size
    return value

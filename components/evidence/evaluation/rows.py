"""What metrics are computed from: labels, weights and slicing columns beside every model's predictions."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tensorflow_model_analysis.proto import config_pb2

from penstock.components.protocol import TaskError


@dataclass
class Rows:
    """What the metrics are computed from.

    Attributes:
        columns: The label, weight and slicing columns of the rows, by name.
        transformed: By model name, those of them that the model's preprocessing functions make; they come before the Split's, as in TFMA.
        predictions: By model name, each output [rows] or [rows, classes]. The key `""` is a single-output model's prediction.
        specs: The models' specs by name.
        count: The number of rows.
    """

    columns: dict[str, pa.Array]
    transformed: dict[str, dict[str, pa.Array]]
    predictions: dict[str, dict[str, np.ndarray]]
    specs: dict[str, config_pb2.ModelSpec]
    count: int

    @property
    def slicing_columns(self) -> dict[str, pa.Array]:
        """What slices are cut by: the Split's columns, and what both models' preprocessing functions make of them."""
        return {name: array for columns in (self.columns, *self.transformed.values()) for name, array in columns.items()}

    def label(self, model: str, output: str = "") -> np.ndarray:
        """A model's labels: [rows], or [rows, classes] where the column holds lists."""
        spec = self.specs[model]
        return self._numbers(model, spec.label_keys.get(output) or spec.label_key, "label")

    def weight(self, model: str, output: str = "") -> np.ndarray | None:
        """A model's Example weights [rows]; None if none are configured."""
        spec = self.specs[model]
        key = spec.example_weight_keys.get(output) or spec.example_weight_key
        return self._numbers(model, key, "example weight").astype(np.float64) if key else None

    def _numbers(self, model: str, key: str, what: str) -> np.ndarray:
        column = (self.columns | self.transformed[model])[key]
        if column.null_count:
            raise TaskError(
                f"the {what} column {key} is empty in {column.null_count} of {len(column)} rows; remove these rows, or fill in the values"
            )
        if pa.types.is_nested(column.type):
            values = np.array(column.to_pylist())
            if values.ndim != 2:
                raise TaskError(f"the {what} column {key} holds lists of different lengths; give one value per class")
        else:
            values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "biuf":
            raise TaskError(f"the {what} column {key} holds {column.type}, not numbers; give class ids or values as numbers")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise TaskError(f"the {what} column {key} holds NaN or infinite values; remove these rows, or correct them")
        return values.astype(np.int64) if values.dtype.kind in "biu" else values

"""The model on every device, and the signature that answers."""

import os
from pathlib import Path

import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.data.tensors import Tensors, without
from penstock.components.evidence.evaluation.predict import SIGNATURES, Predictor
from penstock.components.protocol import TaskError

from .limit import Limit
from .scorer import Scorer, faster_signature

# While a device computes for one worker, another makes the next rows ready.
_WORKERS_OF_GPU = 2
_MOST_WORKERS = 8
_NOT_SERVED = "SERVING"


class Models:
    """A SavedModel on each GPU, or on each CPU device where there is no GPU; there is one, unless TensorFlow was told otherwise.

    Args:
        path: The SavedModel's folder.
        schema: The Schema; needed where the model takes tf.Examples.
        columns: The columns of the Examples.

    Attributes:
        path: The SavedModel's folder.
        schema: The Schema.
        columns: The columns of the Examples.

    Raises:
        TaskError: The model does not load, needs a feature that the Examples lack, or takes tf.Examples and there is no Schema.
    """

    def __init__(self, path: Path | str, schema: schema_pb2.Schema | None, columns: pa.Schema) -> None:
        self.path, self.schema, self.columns = Path(path), schema, columns
        gpus = tf.config.list_logical_devices("GPU")
        self._devices = [device.name for device in gpus or tf.config.list_logical_devices("CPU")]
        self._workers = _WORKERS_OF_GPU if gpus else min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
        wanted = SIGNATURES if schema is not None else tuple(reversed(SIGNATURES))
        self._predictors = [self._load(self.path, wanted, device) for device in self._devices]
        self._faster: list[Predictor | None] = [None] * len(self._devices)
        self._may_lack: set[str] = set()
        self._tensors: Tensors | None = None
        for predictor in self._predictors:
            predictor.check_columns(columns)
        if self._predictors[0].takes_examples:
            self._tensors = _tensors(self._predictors[0], schema, columns)

    @staticmethod
    def _load(path: Path, signatures: tuple[str, ...], device: str) -> Predictor:
        with tf.device(device):
            return Predictor("model", path, signatures)

    @property
    def outputs(self) -> dict[str, tf.TensorSpec]:
        """The model's outputs by name."""
        return self._predictors[0].outputs

    def try_faster(self, sample: pa.RecordBatch) -> None:
        """Finds out on some rows whether the faster signature may answer."""
        with tf.device(self._devices[0]):
            faster, may_lack = faster_signature(self._predictors[0], self._tensors, sample)
        self.use_faster((faster.signature_name, may_lack) if faster else None)

    @property
    def faster(self) -> tuple[str, set[str]] | None:
        """The name of the faster signature, and the columns that rows may lack for it; None if it may not answer."""
        found = self._faster[0]
        return (found.signature_name, self._may_lack) if found else None

    def use_faster(self, found: tuple[str, set[str]] | None) -> None:
        """Does what `try_faster` found out elsewhere."""
        if found:
            self._faster, self._may_lack = [predictor.through(found[0]) for predictor in self._predictors], found[1]

    def scorers(self, keys: list[str], limit: Limit) -> list[Scorer]:
        """Returns what scores, one for each worker of each device, so that devices take turns."""
        found = []
        for _ in range(self._workers):
            for predictor, faster, device in zip(self._predictors, self._faster, self._devices, strict=True):
                scorer = Scorer(predictor, self._tensors, keys, limit, device)
                scorer.use_faster(faster, self._may_lack)
                found.append(scorer)
        return found


def _tensors(predictor: Predictor, schema: schema_pb2.Schema | None, columns: pa.Schema) -> Tensors:
    """Returns the tensors of the features that the Examples have, which must be those that the model needs."""
    if schema is None:
        raise TaskError(f"signature {predictor.signature_name} of the model takes tf.Examples; give the schema of the Examples")
    missing = Tensors(schema).missing(columns.names)
    by_name = predictor.through("serving_default")
    if by_name is not None and not by_name.takes_examples:
        needed = set(by_name.inputs)
    else:  # nothing but the Schema says what a model that takes tf.Examples alone reads
        needed = {feature.name for feature in schema.feature if _NOT_SERVED not in feature.not_in_environment}
    if lacking := sorted(needed - set(columns.names)):
        raise TaskError(
            f"the Examples lack the feature(s) {', '.join(lacking)} that the model needs; ingest them, or score with another model"
        )
    tensors = Tensors(without(schema, missing))
    tensors.check(columns, "the Examples")
    return tensors

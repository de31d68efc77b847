"""Predicts in bulk with any signature of a SavedModel."""

import copy
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from penstock.components.data.tensors import Tensors
from penstock.components.protocol import TaskError


class ModelError(TaskError):
    """A model that does not load or cannot answer.

    Attributes:
        model: The model's name: `candidate` or `baseline`.
    """

    def __init__(self, model: str, message: str) -> None:
        super().__init__(message)
        self.model = model


# In this order: rows that lack a value are what they were in training only as tf.Examples.
SIGNATURES = ("serving_examples", "serving_default")
# What TFMA calls where `preprocessing_function_names` is empty, if the model has it.
PREPROCESSING = ("transformed_features", "transformed_labels")
# How the lines begin in which TensorFlow says where in a graph an error was.
_WHERE = ("Graph execution error", "Detected at node", "<stack traces unavailable>", "File ", "Stack trace for op definition")


class Predictor:
    """A loaded model and the signature that answers for it.

    Attributes:
        name: What errors call the model.
        signature_name: The signature that is called.
        takes_examples: Whether it takes serialized tf.Examples; otherwise it takes raw features by name.
        transformed: The names of the features that the model's preprocessing functions answer.
    """

    def __init__(self, name: str, path: str | Path, signature_names: Sequence[str] = SIGNATURES, preprocessing: Sequence[str] = ()) -> None:
        """Loads a SavedModel.

        Args:
            name: What errors call the model: `candidate` or `baseline`.
            path: The SavedModel's folder.
            signature_names: The first of these that the model has is called.
            preprocessing: `ModelSpec.preprocessing_function_names`: signatures that answer transformed features and labels.

        Raises:
            ModelError: It does not load, or has no such signature.
        """
        try:
            self._model = tf.saved_model.load(str(path))
        except Exception as error:  # whatever a damaged SavedModel makes TensorFlow raise
            raise ModelError(
                name, f"the {name} at {path} is not a loadable SavedModel ({_first_line(error)}); train or export it again"
            ) from error
        self.name = name
        signatures = self._model.signatures
        has = ", ".join(sorted(signatures)) or "none"
        found = next((candidate for candidate in signature_names if candidate in signatures), None)
        if found is None:
            raise ModelError(
                name,
                f"the {name} at {path} has no signature {' or '.join(signature_names)} (it has: {has}); export it with one, or set signature_name in eval_config",
            )
        self._choose(found)
        if missing := [function for function in preprocessing if function not in signatures]:
            raise ModelError(
                name,
                f"the {name} at {path} has no signature {', '.join(missing)} (it has: {has}), which preprocessing_function_names in eval_config names; export it with one, or correct the name",
            )
        self._preprocessing = [other for function in preprocessing or PREPROCESSING if (other := self.through(function))]
        self.transformed = frozenset(output for function in self._preprocessing for output in function._call.structured_outputs)

    def through(self, signature_name: str) -> "Predictor | None":
        """Returns the same model behind another of its signatures; None if it has no such signature."""
        if signature_name not in self._model.signatures:
            return None
        other = copy.copy(self)
        other._choose(signature_name)
        return other

    def _choose(self, signature_name: str) -> None:
        self.signature_name = signature_name
        self._call = self._model.signatures[signature_name]
        self.inputs: dict[str, tf.TensorSpec] = self._call.structured_input_signature[1]
        specs = list(self.inputs.values())
        self.takes_examples = len(specs) == 1 and specs[0].dtype == tf.string and (specs[0].shape.rank or 1) == 1

    def check_columns(self, columns: pa.Schema) -> None:
        """Checks that the Examples have what a signature of raw features asks for.

        A single string input that is not a column is what serialized tf.Examples go into, whatever its name.

        Raises:
            ModelError: A feature is missing.
        """
        self.takes_examples = self.takes_examples and not set(self.inputs) <= set(columns.names)
        missing = [] if self.takes_examples else sorted(set(self.inputs) - set(columns.names))
        if missing:
            raise ModelError(
                self.name,
                f"the Examples lack the feature(s) {', '.join(missing)} that signature {self.signature_name} of the {self.name} needs;"
                " ingest them, or evaluate on the data that the model was made for",
            )

    def predict(self, batch: "Batch") -> dict[str, np.ndarray]:
        """Answers a batch.

        Returns:
            Each output by name, [rows, ...].

        Raises:
            ModelError: The model cannot answer, or answers NaN.
        """
        return {name: self._check_nan(name, answer, batch.rows) for name, answer in self.answers(batch).items()}

    def answers(self, batch: "Batch") -> dict[str, np.ndarray]:
        """Answers a batch, as `predict` does; NaN may be among the answers.

        Raises:
            ModelError: The model cannot answer.
        """
        return {name: self._check_rows(name, answer.numpy(), batch.rows) for name, answer in self._answer(batch).items()}

    @property
    def outputs(self) -> dict[str, tf.TensorSpec]:
        """The outputs of the signature by name."""
        return dict(self._call.structured_outputs)

    def transform(self, batch: "Batch", wanted: Collection[str]) -> dict[str, np.ndarray]:
        """Answers some of a batch's transformed features, [rows, ...], as the model's preprocessing functions make them.

        Raises:
            ModelError: A function cannot answer.
        """
        found: dict[str, np.ndarray] = {}
        for function in self._preprocessing:
            if not wanted & function._call.structured_outputs.keys():
                continue
            answers = function._answer(batch)
            found |= {name: function._check_rows(name, _dense_tensor(answers[name]), batch.rows) for name in wanted & answers.keys()}
        return found

    def _answer(self, batch: "Batch") -> dict[str, Any]:
        try:
            feed = dict.fromkeys(self.inputs, batch.serialized) if self.takes_examples else batch.features(self.inputs)
            return self._call(**{name: tf.constant(value) for name, value in feed.items()})
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise ModelError(
                self.name,
                f"signature {self.signature_name} of the {self.name} cannot answer the Examples ({_first_line(error)}); give it the features that it was trained on",
            ) from error

    def _check_rows(self, name: str, answer: np.ndarray, rows: int) -> np.ndarray:
        if answer.ndim == 0 or len(answer) != rows:
            raise ModelError(
                self.name,
                f"output {name} of the {self.name} has shape {answer.shape} for {rows} rows; export a signature that returns one answer "
                "per row",
            )
        return answer

    def _check_nan(self, name: str, answer: np.ndarray, rows: int) -> np.ndarray:
        if answer.dtype.kind == "f" and np.isnan(answer).any():
            raise ModelError(
                self.name,
                f"output {name} of the {self.name} is NaN for {np.isnan(answer).sum()} of {rows} rows; train it again, or correct the "
                "features",
            )
        return answer


class Batch:
    """Rows of Examples in the forms that signatures take, each made at most once.

    Args:
        table: The rows.
        tensors: The Schema's tensors; None where no signature takes tf.Examples.
    """

    def __init__(self, table: pa.RecordBatch, tensors: Tensors | None = None) -> None:
        self._table = table
        self._tensors = tensors
        self._serialized: np.ndarray | None = None
        self.rows = table.num_rows

    @property
    def serialized(self) -> np.ndarray:
        """Serialized tf.Examples of the Schema's features, [rows] of bytes."""
        assert self._tensors
        if self._serialized is None:
            self._serialized = np.asarray(RecordBatchToExamplesEncoder().encode(self._tensors.to_lists(self._table)), dtype=object)
        return self._serialized

    def features(self, specs: dict[str, tf.TensorSpec]) -> dict[str, np.ndarray]:
        """Raw features by name, as a signature's specs want them.

        A missing value is NaN or the empty string.

        Raises:
            TaskError: A whole number is missing: there is no value that says so.
        """
        return {name: _dense(self._table.column(name), name, spec) for name, spec in specs.items()}


def _dense(column: pa.Array, name: str, spec: tf.TensorSpec) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        if spec.dtype.is_integer or spec.dtype.is_bool:
            raise TaskError(
                f"feature {name} is missing in {column.null_count} rows, but the signature takes integers; export serving_examples, or "
                "fill in the values"
            )
        column = column.cast(pa.binary() if spec.dtype == tf.string else pa.float64()).fill_null(
            b"" if spec.dtype == tf.string else float("nan")
        )
    values = column.to_numpy(zero_copy_only=False)
    values = values.astype(object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype)
    return values.reshape(-1, 1) if spec.shape.rank == 2 else values


def _dense_tensor(answer: Any) -> np.ndarray:
    """Returns a signature's answer as an array; what a row lacks is 0 or the empty string, as in TFMA."""
    if isinstance(answer, tf.SparseTensor):
        answer = tf.sparse.to_dense(answer)
    return (answer.to_tensor() if isinstance(answer, tf.RaggedTensor) else answer).numpy()


def _first_line(error: Exception) -> str:
    """Returns the line of an error that says something: of TensorFlow's, the first after those about where in the graph it was."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[0].startswith("Graph execution error"):
        lines = [line for line in lines if not line.startswith(_WHERE)] or lines
    return next(iter(lines), type(error).__name__)[:300]


def resolve_output(answers: dict[str, Any], prediction_key: str, name: str) -> str:
    """Says which output is the prediction, as TFMA resolves it: the only one, the named one, or a well-known one.

    Args:
        answers: The model's outputs.
        prediction_key: `ModelSpec.prediction_key`; may be empty.
        name: What errors call the model.

    Raises:
        ModelError: There is no such output, or several and no key.
    """
    known = ("scores", "outputs", "predictions", "logistic", "probabilities", "logits")
    if prediction_key in answers:
        return prediction_key
    if len(answers) == 1:  # the key may name an output of the Baseline only
        return next(iter(answers))
    found = None if prediction_key else next((key for key in known if key in answers), None)
    if found is None:
        has = ", ".join(sorted(answers))
        raise ModelError(
            name,
            f"the {name} has the outputs {has}; set prediction_key in eval_config's model_specs to one of them (it is {prediction_key!r})",
        )
    return found

"""Scores batches of rows: with the faster signature where its answers are the same, and row by row where a batch cannot be answered."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import tensorflow as tf

from penstock.components.data.tensors import Tensors
from penstock.components.evidence.evaluation.predict import Batch, Predictor
from penstock.components.protocol import TaskError

from .limit import Limit

# How far apart the answers of two signatures may be that count as the same, relative to the greatest.
_TOLERANCE = 1e-5
# The rows that the signatures are compared on, for each column that may be missing.
_COMPARED = 256


@dataclass(frozen=True)
class Scored:
    """The answers to a batch.

    Attributes:
        rows: The places of the rows that were scored, ascending.
        answers: Each output by name, [scored rows, ...].
        reasons: Why the others were not, by place.
    """

    rows: np.ndarray
    answers: dict[str, np.ndarray]
    reasons: dict[int, str]


class Scorer:
    """A model on one device, and what the rows must have for it.

    Args:
        predictor: The model, behind the signature that it was evaluated with.
        tensors: The Schema's tensors; None where the model takes raw features.
        keys: The key columns.
        limit: How many rows may fail.
        device: TensorFlow's name of the device.
    """

    def __init__(self, predictor: Predictor, tensors: Tensors | None, keys: list[str], limit: Limit, device: str) -> None:
        self._predictor, self._tensors, self._keys, self._limit, self._device = predictor, tensors, keys, limit, device
        self._faster: Predictor | None = None
        self._may_lack: set[str] = set()

    def use_faster(self, other: Predictor | None, may_lack: set[str]) -> None:
        """Has another signature of the same model answer the rows that lack nothing but these columns."""
        self._faster, self._may_lack = other, may_lack

    def score(self, batch: pa.RecordBatch) -> Scored:
        """Scores a batch.

        Raises:
            TaskError: More rows than may cannot be scored.
        """
        reasons: dict[int, str] = {}
        for rows, reason in self._unfit(batch):
            self._fail(reasons, rows, reason)
        fit = np.setdiff1d(np.arange(batch.num_rows), list(reasons), assume_unique=True) if reasons else np.arange(batch.num_rows)
        with tf.device(self._device):
            found = [each for predictor, rows in self._routes(batch, fit) for each in self._answers(predictor, batch, rows, reasons)]
        if not found:
            return Scored(np.empty(0, np.int64), {}, reasons)
        rows = np.concatenate([rows for rows, _ in found])
        order = np.argsort(rows, kind="stable")
        answers = {name: np.concatenate([answers[name] for _, answers in found])[order] for name in found[0][1]}
        return self._usable(Scored(rows[order], answers, reasons))

    def _unfit(self, batch: pa.RecordBatch) -> Iterator[tuple[np.ndarray, str]]:
        """Finds the rows that no model needs to be asked about."""
        for key in self._keys:
            yield np.flatnonzero(np.asarray(batch.column(key).is_null())), f"the key {key} is missing"
        if self._tensors is not None:
            for name, wrong in self._tensors.misfits(batch).items():
                yield np.flatnonzero(wrong), f"the feature {name} does not have the number of values that the Schema asks for"
        elif not self._predictor.takes_examples:
            for name in _whole_numbers(self._predictor):
                yield np.flatnonzero(np.asarray(batch.column(name).is_null())), f"the feature {name} is missing"

    def _routes(self, batch: pa.RecordBatch, rows: np.ndarray) -> Iterator[tuple[Predictor, np.ndarray]]:
        """Parts the rows by the signature that answers them."""
        if self._faster is None:
            yield self._predictor, rows
            return
        lacking = np.zeros(batch.num_rows, bool)
        for name in self._faster.inputs:
            if name not in self._may_lack and batch.column(name).null_count:
                lacking |= np.asarray(batch.column(name).is_null())
        for predictor, chosen in ((self._faster, rows[~lacking[rows]]), (self._predictor, rows[lacking[rows]])):
            if len(chosen):
                yield predictor, chosen

    def _answers(
        self, predictor: Predictor, batch: pa.RecordBatch, rows: np.ndarray, reasons: dict[int, str]
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Asks for rows together; where that fails, for each half of them, down to the rows that fail alone."""
        if not len(rows):
            return
        try:
            yield rows, ask(predictor, batch if len(rows) == batch.num_rows else batch.take(pa.array(rows)), self._tensors)
        except TaskError as error:
            if len(rows) > 1:
                for half in np.array_split(rows, 2):
                    yield from self._answers(predictor, batch, half, reasons)
            else:
                self._fail(reasons, rows, str(error))

    def _usable(self, scored: Scored) -> Scored:
        """Takes out the rows whose answer is no number."""
        kept = np.ones(len(scored.rows), bool)
        for name, answer in scored.answers.items():
            if answer.dtype.kind == "f" and not (finite := np.isfinite(answer.reshape(len(answer), -1)).all(axis=1)).all():
                self._fail(scored.reasons, scored.rows[kept & ~finite], f"the output {name} is NaN or infinite")
                kept &= finite
        return (
            scored if kept.all() else Scored(scored.rows[kept], {name: each[kept] for name, each in scored.answers.items()}, scored.reasons)
        )

    def _fail(self, reasons: dict[int, str], rows: np.ndarray, reason: str) -> None:
        new = [int(row) for row in rows if int(row) not in reasons]
        reasons |= dict.fromkeys(new, reason)
        if new:
            self._limit.add(len(new), reason)


def ask(predictor: Predictor, batch: pa.RecordBatch, tensors: Tensors | None) -> dict[str, np.ndarray]:
    """Returns a model's answers to rows, whatever they are."""
    return predictor.answers(Batch(batch, tensors))


def faster_signature(predictor: Predictor, tensors: Tensors | None, sample: pa.RecordBatch) -> tuple[Predictor | None, set[str]]:
    """Finds out whether `serving_default` answers the same as the signature that the model was evaluated with.

    Args:
        predictor: The model behind that signature.
        tensors: The Schema's tensors.
        sample: Rows to try.

    Returns:
        The model behind `serving_default`, and the columns that rows may lack there, because rows without them were answered the same;
        None if complete rows were not.
    """
    other = predictor.through("serving_default") if predictor.takes_examples and tensors is not None else None
    if other is None or not set(other.inputs) <= set(sample.schema.names):
        return None, set()
    whole = _whole_numbers(other)
    absent = {name: np.asarray(sample.column(name).is_null()) for name in other.inputs}
    complete = ~np.any(list(absent.values()), axis=0)
    if complete.any() and not _same(predictor, other, tensors, sample, complete):
        return None, set()
    nullable = {name for name, lacks in absent.items() if name not in whole and lacks.any()}
    same = {name for name in nullable if _same(predictor, other, tensors, sample, absent[name] & ~_any(absent, whole))}
    return (other, same) if same or complete.any() else (None, set())


def _same(predictor: Predictor, other: Predictor, tensors: Tensors | None, sample: pa.RecordBatch, which: np.ndarray) -> bool:
    rows = np.flatnonzero(which)
    if not len(rows):
        return False
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, _COMPARED).astype(np.int64))]
    batch = sample.take(pa.array(rows))
    try:
        ours, theirs = (ask(each, batch, tensors) for each in (predictor, other))
    except TaskError:
        return False
    return ours.keys() == theirs.keys() and all(_close(ours[name], theirs[name]) for name in ours)


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool((one == other).all())
    magnitude = float(np.max(np.abs(one), where=np.isfinite(one), initial=0.0))
    return np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE * magnitude, equal_nan=True)


def _any(absent: dict[str, np.ndarray], names: Iterable[str]) -> np.ndarray:
    return np.any([absent[name] for name in names] or [np.zeros(len(next(iter(absent.values()))), bool)], axis=0)


def _whole_numbers(predictor: Predictor) -> list[str]:
    return [name for name, spec in predictor.inputs.items() if spec.dtype.is_integer or spec.dtype.is_bool]

"""One pass over a window's rows: what each model was asked and answered, counted by the model's fingerprint."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.components.data.ahead import ahead
from penstock.components.evidence.logs.logged_rows import LoggedRows

from .bins import Bins, Counts, numbers_of
from .reference import count_into

# Scores that are kept for the estimate; of more rows, these are the first.
_MOST_SCORES = 5_000_000
Keep = Callable[[LoggedRows], None]


@dataclass
class ModelCounts:
    """What one model was asked and answered.

    Attributes:
        features: The counts of each feature.
        predictions: The counts of each prediction that has bins.
        scores: The scores, where there is one number for each row.
        names: The features that were there.
        outputs: The predictions that were there.
        versions: The rows of each version.
        rows: The rows.
        errors: The rows without an answer.
        newest: The time of the newest row.
    """

    features: dict[str, Counts]
    predictions: dict[str, Counts]
    scores: list[np.ndarray] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    errors: int = 0
    newest: datetime | None = None


def count_window(
    batches: Iterable[LoggedRows], bins: dict[str, Bins], outputs: dict[str, Bins], keepers: Sequence[Keep]
) -> dict[str, ModelCounts]:
    """Counts a window's rows.

    Args:
        batches: The rows.
        bins: The bins of the features.
        outputs: The bins of the predictions.
        keepers: Are given every batch.

    Returns:
        The counts by fingerprint; the empty one has the rows of which the log does not tell it.
    """
    models: dict[str, ModelCounts] = {}
    for batch in ahead(batches):
        for keep in keepers:
            keep(batch)
        for fingerprint, rows in by_fingerprint(batch):
            _add(models.setdefault(fingerprint, ModelCounts(_empty(bins), _empty(outputs))), rows, bins, outputs)
    return models


def _empty(bins: dict[str, Bins]) -> dict[str, Counts]:
    return {name: each.empty() for name, each in bins.items()}


def by_fingerprint(batch: LoggedRows) -> Iterator[tuple[str, LoggedRows]]:
    """Yields the rows of each model."""
    fingerprints = batch.about.column("fingerprint").fill_null("")
    found = pc.unique(fingerprints).to_pylist()
    for fingerprint in found:
        yield fingerprint, batch if len(found) == 1 else batch.filter(pc.equal(fingerprints, fingerprint))


def _add(model: ModelCounts, rows: LoggedRows, bins: dict[str, Bins], outputs: dict[str, Bins]) -> None:
    model.rows += len(rows)
    model.names |= set(rows.features.schema.names)
    count_into(model.features, rows.features, bins)
    answered = rows.about.column("error").is_null()
    model.errors += len(rows) - int(pc.sum(answered).as_py() or 0)
    predictions = rows.predictions.filter(answered)
    model.outputs |= set(predictions.schema.names)
    count_into(model.predictions, predictions, outputs)
    if predictions.num_columns == 1 and pa.types.is_floating(predictions.column(0).type) and sum(map(len, model.scores)) < _MOST_SCORES:
        model.scores.append(numbers_of(predictions.column(0)))
    for found in pc.value_counts(rows.about.column("version").fill_null("")).to_pylist():
        model.versions[found["values"]] = model.versions.get(found["values"], 0) + found["counts"]
    newest = pc.max(rows.about.column("time")).as_py()
    if newest is not None:
        model.newest = max(model.newest or newest, newest)

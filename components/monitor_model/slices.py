"""The features by slice: the rows that the EvalConfig's slices cut out of the reference and of the window, in the reference's bins."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.components.evidence.eval_config import slicing_columns
from penstock.components.evidence.evaluation.figures import slice_title
from penstock.components.evidence.evaluation.slicing import SliceKey, slice_rows
from penstock.components.evidence.evaluation.unsupported import NotVectorized
from penstock.components.evidence.logs.logged_rows import LoggedRows

from .bins import Bins, Counts
from .config import MonitoringConfig
from .drift import DRIFTED, compare
from .quality import whole
from .reference import count_into
from .window_counts import by_fingerprint

# Of more slices, those with most rows of the window.
_MOST = 50


class SlicedCounts:
    """Counts by slice.

    Args:
        eval_config: What slices are cut by.
        bins: The bins of the features.
    """

    def __init__(self, eval_config: Any, bins: dict[str, Bins]) -> None:
        self._eval_config, self._bins, self._columns = eval_config, bins, slicing_columns(eval_config)
        self.rows: dict[SliceKey, int] = {}
        self.counts: dict[SliceKey, dict[str, Counts]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds rows, unless they lack what slices are cut by."""
        if not self._columns or not self._columns <= set(batch.schema.names):
            return
        columns = {name: whole(batch.column(name)) for name in self._columns}
        try:
            found = slice_rows(self._eval_config, columns, batch.num_rows)
        except NotVectorized:
            return
        for key, numbers in found.items():
            if key:
                self._count(key, batch.take(pa.array(numbers.astype(np.int64))))

    def _count(self, key: SliceKey, rows: pa.RecordBatch) -> None:
        if key not in self.counts:
            self.counts[key] = {name: each.empty() for name, each in self._bins.items()}
        self.rows[key] = self.rows.get(key, 0) + rows.num_rows
        count_into(self.counts[key], rows, self._bins)


class SlicedModels:
    """Counts by slice of every model of a window.

    Args:
        eval_config: What slices are cut by.
        bins: The bins of the features.
    """

    def __init__(self, eval_config: Any, bins: dict[str, Bins]) -> None:
        self._eval_config, self._bins = eval_config, bins
        self.models: dict[str, SlicedCounts] = {}

    def add(self, batch: LoggedRows) -> None:
        """Adds rows of any models."""
        for fingerprint, rows in by_fingerprint(batch):
            self.models.setdefault(fingerprint, SlicedCounts(self._eval_config, self._bins)).add(rows.features)


def sliced(eval_config: Any, bins: dict[str, Bins], batches: Iterable[pa.RecordBatch]) -> SlicedCounts:
    """Counts a whole reference by slice."""
    counted = SlicedCounts(eval_config, bins)
    for batch in batches:
        counted.add(batch)
    return counted


def compare_slices(
    reference: SlicedCounts, window: SlicedCounts, names: Iterable[str], bins: dict[str, Bins], config: MonitoringConfig
) -> dict[str, dict[str, Any]]:
    """Compares the slices that have enough rows in the window.

    Returns:
        By the slice's title, its `rows` and, of each feature, the value and the status. No verdict depends on them: of many slices, one always
        stands out.
    """
    wanted = sorted((key for key, rows in window.rows.items() if rows >= config.min_rows), key=lambda key: -window.rows[key])[:_MOST]
    found = {}
    for key in wanted:
        if key not in reference.counts:
            continue
        cutting = {name for name, _ in key}
        compared = {
            name: compare(name, bins[name], reference.counts[key][name], window.counts[key][name], config)
            for name in names
            if name in bins and name not in cutting
        }
        found[slice_title(key)] = {
            "rows": window.rows[key],
            "reference_rows": reference.rows[key],
            "drifted": [name for name, one in compared.items() if one["status"] == DRIFTED],
            "features": {name: one["value"] for name, one in compared.items()},
        }
    return found

"""The quality of a model on rows whose labels have come."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.protocol import Input, TaskError

from .bins import Bins
from .config import MonitoringConfig

if TYPE_CHECKING:  # what it needs takes seconds to import
    from .labels import LabeledRows
    from .slices import SlicedCounts, SlicedModels


class LabeledQuality:
    """What is to be measured where labels have come: nothing, if there is no EvalConfig or there are no labels.

    Attributes:
        is_given: Whether there is an EvalConfig.
        labels: The columns that are labels, which no request has.
    """

    def __init__(
        self,
        eval_config: Any,
        labels: pa.Table | None,
        label_key: str,
        evaluation: Input | None,
        due: datetime | None = None,
        keeps_features: bool = False,
    ) -> None:
        self._eval_config, self.is_given = eval_config, eval_config is not None
        self.labels = {label_key} - {""}
        self._came, self._columns, self._due = labels, None, due
        self._before: Any = None
        if labels is not None:
            from .quality import needed_columns, read_evaluation

            self._before = read_evaluation(evaluation.path) if evaluation else None
            self._columns = None if keeps_features else needed_columns(eval_config, label_key)

    @classmethod
    def of(
        cls,
        eval_config: str,
        labels: str,
        label_key: str,
        label_column: str,
        label_time_column: str,
        evaluation: Input | None,
        due: datetime | None,
        keeps_features: bool,
    ) -> "LabeledQuality":
        """Reads the EvalConfig, the labels and the evaluation before.

        Raises:
            TaskError: They cannot be used.
        """
        if labels and not eval_config:
            raise TaskError("labels requires eval_config, which names the metrics; set both")
        if not eval_config:
            return cls(None, None, "", None)
        from penstock.components.evidence.eval_config import parse_eval_config

        from .labels import read_labels
        from .quality import label_key_of

        parsed = parse_eval_config(eval_config)
        label = label_key_of(parsed)
        read = read_labels(labels, label_key, label_column or label, label_time_column) if labels else None
        return cls(parsed, read, label, evaluation, due, keeps_features)

    def sliced(self, bins: dict[str, Bins], rows: Callable[[], Iterable[pa.RecordBatch]]) -> "SlicedCounts | None":
        """Counts rows by the slices of the EvalConfig; None where there are no slices."""
        if not self._has_slices():
            return None
        from .slices import sliced

        return sliced(self._eval_config, bins, rows())

    def sliced_models(self, bins: dict[str, Bins]) -> "SlicedModels | None":
        """Returns what counts the rows of a window by model and slice; None where there are no slices."""
        if not self._has_slices():
            return None
        from .slices import SlicedModels

        return SlicedModels(self._eval_config, bins)

    def _has_slices(self) -> bool:
        if self._eval_config is None:
            return False
        from penstock.components.evidence.eval_config import slicing_columns

        return bool(slicing_columns(self._eval_config))

    def rows(self) -> "LabeledRows | None":
        """Returns what keeps the rows of a window that have labels; None where there are no labels."""
        if self._came is None:
            return None
        from .labels import LabeledRows

        return LabeledRows(self._came, self._columns, self._due)

    def measure(
        self, labeled: "LabeledRows | None", fingerprint: str, schema: schema_pb2.Schema | None, config: MonitoringConfig
    ) -> dict[str, Any] | None:
        """Measures a model; None where there is nothing to measure."""
        if labeled is None:
            return None
        from .quality import measure

        return measure(self._eval_config, labeled, fingerprint, self._before, schema, config)

    def compare(
        self,
        predecessor: Input,
        labeled: "LabeledRows | None",
        fingerprint: str,
        schema: schema_pb2.Schema | None,
        config: MonitoringConfig,
    ) -> dict[str, Any] | None:
        """Measures the predecessor on the rows of the window that have labels; None where there are no labels."""
        if labeled is None:
            return None
        from .predecessor import compare as compare_models

        return compare_models(predecessor, self._eval_config, labeled, fingerprint, schema, config)

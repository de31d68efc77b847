"""What was served beside what was known, for one batch of the log's rows after another."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from penstock.components.data.entity_rows import TIME, entity_rows
from penstock.components.data.feature_service import Features
from penstock.components.evidence.feature_skew import KINDS, MISSING, STALE, WRONG
from penstock.components.evidence.logs.logged_rows import LoggedRows

from .served import Served, as_key, column_of
from .sources import Source

# Of each kind.
_MOST_EXAMPLES = 5


@dataclass
class FeatureCounts:
    """What was found of a feature.

    Attributes:
        rows: The rows whose values were compared.
        kinds: How many of them differ, by kind.
        without_keys: The rows without a key that the feature needs.
        beyond: The rows at whose time no value of the table counts any more.
        oldest: The greatest age of a stale value, in seconds.
        examples: Values that differ, a few of each kind.
    """

    rows: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    without_keys: int = 0
    beyond: int = 0
    oldest: float = 0.0
    examples: list[dict[str, Any]] = field(default_factory=list)


class Comparison:
    """Counts the values that differ.

    Args:
        service: The feature service.
        sources: What its features come from.
        tolerance: How far apart two numbers with a fraction may be, as a share of the point-in-time value.

    Attributes:
        features: What was found of each feature that was fetched.
        undefined: The fetched features that the service does not define, with their rows.
    """

    def __init__(self, service: Features, sources: list[Source], tolerance: float) -> None:
        self._service, self._sources, self._tolerance = service, sources, tolerance
        self.features: dict[str, FeatureCounts] = {}
        self.undefined: Counter[str] = Counter()

    def add(self, parts: list[LoggedRows]) -> None:
        """Compares rows whose features were fetched, and whose time is known."""
        keys = pa.concat_tables(
            pa.table([as_key(column_of(rows, key.name), key.type) for key in self._service.keys], self._service.keys) for rows in parts
        )
        asked = entity_rows(keys, pa.chunked_array([rows.about.column("time") for rows in parts]))
        known = self._service.at(asked, "the log").combine_chunks()
        fetched = _fetched(pa.concat_arrays([rows.about.column("fetched") for rows in parts]))
        for name in fetched.keys() - set(known.column_names):
            self.undefined[name] += int(fetched[name].sum())
        for source in self._sources:
            has_keys = asked[list(source.keys)].notna().to_numpy().all(axis=1)
            in_time = np.ones(len(asked), bool) if source.end is None else (asked[TIME] <= source.end).to_numpy()
            columns = []
            for name in (name for name in source.features if name in fetched):
                counts = self.features.setdefault(name, FeatureCounts())
                compared = fetched[name] & has_keys & in_time
                counts.rows += int(compared.sum())
                counts.without_keys += int((fetched[name] & ~has_keys).sum())
                counts.beyond += int((fetched[name] & has_keys & ~in_time).sum())
                columns.append(Served(name, parts, known[name].chunk(0), compared, self._tolerance))
            self._judge(source, columns, asked)

    def _judge(self, source: Source, columns: list[Served], asked: pd.DataFrame) -> None:
        """Counts the values of a source that differ, by kind."""
        any_differs = np.logical_or.reduce([column.differs for column in columns], dtype=bool)
        if not np.any(any_differs):
            return
        rows = asked[any_differs]
        served = {column.name: values[any_differs] for column in columns if (values := column.plain()) is not None}
        since = source.times_of(served, rows, self._tolerance)
        never = np.full(len(rows), np.datetime64("NaT"), "datetime64[us]")
        for column in columns:
            times = since.get(column.name, never)
            kinds = np.where(column.is_null()[any_differs], MISSING, np.where(np.isnat(times), WRONG, STALE))
            self._count(column, kinds, times, rows, list(source.keys))

    def _count(self, column: Served, kinds: np.ndarray, since: np.ndarray, rows: pd.DataFrame, keys: list[str]) -> None:
        counts = self.features[column.name]
        differs = column.differs[rows.index]
        ages = rows[TIME].dt.tz_localize(None).to_numpy("datetime64[us]") - since
        for kind in KINDS:
            places = np.flatnonzero(differs & (kinds == kind))
            shown = places[: _MOST_EXAMPLES - sum(example["kind"] == kind for example in counts.examples)]
            counts.kinds[kind] += len(places)
            counts.examples += [_example(column, kind, rows.iloc[place], since[place], keys) for place in shown]
            if kind == STALE and len(places):
                counts.oldest = max(counts.oldest, float(ages[places].max() / np.timedelta64(1, "s")))


def _fetched(names: pa.ListArray) -> dict[str, np.ndarray]:
    """Returns which rows each feature was fetched for, bool [rows], by name."""
    parents, flat = pc.list_parent_indices(names), pc.list_flatten(names)
    found = {}
    for name in pc.unique(flat).to_pylist():
        found[name] = np.zeros(len(names), bool)
        found[name][parents.filter(pc.equal(flat, name)).to_numpy()] = True
    return found


def _example(column: Served, kind: str, row: pd.Series, since: np.datetime64, keys: list[str]) -> dict[str, Any]:
    served, known = column.pair(int(row.name))
    return {
        "kind": kind,
        "keys": {key: row[key] if isinstance(row[key], str) else int(row[key]) for key in keys},
        "time": row[TIME].isoformat(timespec="milliseconds"),
        "served": served,
        "known": known,
        "served_since": None if np.isnat(since) else f"{since.astype('datetime64[s]')}+00:00",
    }

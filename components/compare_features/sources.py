"""The tables behind the features of a service, and when keys had other values there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import ibis
import numpy as np
import pandas as pd
from feast import OnDemandFeatureView
from ibis.expr import datatypes
from ibis.expr.types import Column, Table

from penstock.components.data.entity_rows import NUMBER, TIME
from penstock.components.data.feature_service import Features

_UTC = datatypes.Timestamp(timezone="UTC")
# Before the names of a table's columns and of served values, so that no two columns of a join have one name.
_KNOWN, _SERVED = "known__", "served__"


@dataclass(frozen=True)
class Source:
    """What some features of a service come from.

    Attributes:
        name: The name of the feature view.
        features: The features by their names in the log, each with the table's column for it.
        keys: The columns of entity rows that the features need, each with the table's column for it.
        ttl: How long a value counts; 0: for good.
        newest: The newest event time of the table; None if it has no rows, or there is no table.
        table: The table; None for features that are computed on demand.
        time: The table's event times.
        created: When the table's values were created; None if it does not tell, or that does not count.
    """

    name: str
    features: dict[str, str]
    keys: dict[str, str]
    ttl: timedelta = timedelta(0)
    newest: datetime | None = None
    table: Table | None = None
    time: Column | None = None
    created: Column | None = None

    @property
    def end(self) -> datetime | None:
        """Until when the table has values that count; None for good."""
        if self.table is None or not self.ttl:
            return None
        return datetime.min.replace(tzinfo=timezone.utc) if self.newest is None else self.newest + self.ttl

    def times_of(self, served: dict[str, np.ndarray], rows: pd.DataFrame, tolerance: float) -> dict[str, np.ndarray]:
        """Finds when keys had values, until the times of the rows.

        Args:
            served: The values, by feature: float64 or texts [rows].
            rows: Entity rows.
            tolerance: How far apart two numbers may be, as a share of the table's.

        Returns:
            By feature the latest such event times, datetime64[us] in UTC [rows]; NaT where a key never had the value.
        """
        found = {name: np.full(len(rows), np.datetime64("NaT"), "datetime64[us]") for name in served}
        equal = {} if self.table is None else {name: _equality(self.table[self.features[name]], tolerance) for name in served}
        sought = {name: function for name, function in equal.items() if function}
        if self.table is None or self.time is None or not sought:
            return found
        asked = ibis.memtable(rows[[*self.keys, TIME, NUMBER]].assign(**{_SERVED + name: served[name] for name in sought}))
        has_key = [asked[ours] == self.table[theirs] for ours, theirs in self.keys.items()]
        is_known = [column <= asked[TIME] for column in (self.time, self.created) if column is not None]
        both = asked.join(self.table, [*has_key, *is_known])
        times = {name: self.time.max(where=is_equal(both[_SERVED + name], both[self.features[name]])) for name, is_equal in sought.items()}
        latest = both.group_by(NUMBER).agg(**times).to_pandas()
        places = np.searchsorted(rows[NUMBER].to_numpy(), latest[NUMBER].to_numpy())
        for name in sought:
            found[name][places] = latest[name].dt.tz_localize(None).to_numpy("datetime64[us]")
        return found


def sources_of(features: Features, full_feature_names: bool, filter_by_created_timestamp: bool) -> list[Source]:
    """Returns what the features of a service come from; the options are those of retrieve_features."""
    found = []
    for projection, view in features.views:
        name = projection.name_to_use()
        prefix = f"{name}__" if full_feature_names else ""
        columns = {prefix + field.name: _KNOWN + field.name for field in projection.features}
        if isinstance(view, OnDemandFeatureView):
            found.append(Source(name, columns, dict.fromkeys(features.keys.names, "")))
            continue
        keys = {projection.join_key_map.get(field.name, field.name): _KNOWN + field.name for field in view.entity_columns}
        created = view.batch_source.created_timestamp_column if filter_by_created_timestamp else ""
        table = ibis.read_parquet(view.batch_source.path)
        table = table.rename({_KNOWN + view.batch_source.field_mapping.get(column, column): column for column in table.columns})
        time = table[_KNOWN + view.batch_source.timestamp_field].cast(_UTC)
        newest = time.max().to_pyarrow().as_py()
        created_at = table[_KNOWN + created].cast(_UTC) if created else None
        found.append(Source(name, columns, keys, view.ttl or timedelta(0), newest, table, time, created_at))
    return found


def _equality(known: Column, tolerance: float) -> Callable[[Column, Column], Column] | None:
    """Returns how a served value is compared with a table's; None where they are neither numbers nor texts."""
    kind = known.type()
    if kind.is_string():
        return lambda served, value: served == value
    if not kind.is_numeric() and not kind.is_boolean():
        return None
    share = 0.0 if kind.is_integer() or kind.is_boolean() else tolerance
    return lambda served, value: (served - value.cast("float64")).abs() <= value.cast("float64").abs() * share

"""The features of a feature service: what they need, what they are, and their values at the times of rows."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from feast import FeatureService, FeatureStore, FeatureView, Field, OnDemandFeatureView
from feast.feature_view_projection import FeatureViewProjection
from feast.type_map import feast_value_type_to_pa

from penstock.components.protocol.errors import TaskError

from .canonical import INSTEAD, canonical, conform
from .entity_rows import NUMBER
from .feature_repository import FeatureRepository
from .feature_tables import tables_of

# A feature view, with what a service takes from it.
ServedView: TypeAlias = tuple[FeatureViewProjection, FeatureView]


class Features:
    """A feature service.

    Attributes:
        keys: The columns that entity rows must have, by name, with the canonical types of the declared ones: the entities' join keys, and
            what on-demand features are computed from.
        schema: A column for each feature, with the canonical type of the declared one.
        views: The feature views of the service, each with its projection, which says what the service takes from it.
        tables: The paths or URIs of the tables.

    Raises:
        TaskError: There is no such service, or it has what cannot be read or stored.
    """

    def __init__(self, repository: FeatureRepository, name: str, full_feature_names: bool, filter_by_created_timestamp: bool) -> None:
        self._repository, self._name = repository, name
        self._options = {"full_feature_names": full_feature_names, "filter_by_created_timestamp": filter_by_created_timestamp}
        self._store = repository.defined()
        self._service = _find(self._store, name)
        views = {view.name: view for view in self._store.list_all_feature_views()}
        self.views = [(projection, views[projection.name]) for projection in self._service.feature_view_projections]
        used = list(_with_tables(self.views, views))
        self.tables = tables_of(view for _, view in used)
        joined = {
            projection.join_key_map.get(field.name, field.name): _pa(field) for projection, view in used for field in view.entity_columns
        }
        requested = {
            name: feast_value_type_to_pa(kind)
            for _, view in self.views
            if isinstance(view, OnDemandFeatureView)
            for name, kind in view.get_request_data_schema().items()
        }
        self.keys = pa.schema([(name, canonical(kind) or kind) for name, kind in sorted((joined | requested).items())])
        self.schema = pa.schema([field for projection, _ in self.views for field in _fields(projection, full_feature_names)])

    def at(self, entity_rows: pd.DataFrame, what: str) -> pa.Table:
        """Returns the features of rows, in the order of the rows.

        Args:
            entity_rows: The rows, from `entity_rows`.
            what: What to call them in an error.

        Raises:
            TaskError: Feast cannot compute them, or has lost or repeated a row.
        """
        if entity_rows.empty:
            return self.schema.empty_table()
        with self._repository.explaining(f"cannot give the features of {self._name!r}"):
            found = self._store.get_historical_features(entity_rows, self._service, **self._options).to_arrow()
        numbers = found[NUMBER].to_numpy()
        if len(numbers) != len(entity_rows) or len(np.unique(numbers)) != len(numbers):
            raise TaskError(
                f"Feast returned {len(numbers):,} rows for the {len(entity_rows):,} rows of {what}, {len(np.unique(numbers)):,} of them "
                f"different ones; find the feature view of {self._name!r} that loses or repeats rows, and report it to Feast"
            )
        ordered = found.select(self.schema.names).take(np.argsort(numbers))
        return pa.Table.from_batches([conform(batch, self.schema, self._name) for batch in ordered.to_batches()], self.schema)


def _find(store: FeatureStore, name: str) -> FeatureService:
    services = {service.name: service for service in store.list_feature_services()}
    if name not in services:
        known = f"it has {', '.join(sorted(services))}" if services else "it has none"
        raise TaskError(f"feature_repository has no feature service {name!r} ({known}); name one of these, or define it"[:500])
    return services[name]


def _with_tables(chosen: list[ServedView], views: dict[str, FeatureView]) -> Iterator[ServedView]:
    """Yields the views with tables that a service reads, for itself or for on-demand features."""
    for projection, view in chosen:
        if isinstance(view, OnDemandFeatureView):
            yield from ((source, views[source.name]) for source in view.source_feature_view_projections.values())
        else:
            yield projection, view


def _fields(projection: FeatureViewProjection, full_feature_names: bool) -> Iterator[pa.Field]:
    for feature in projection.features:
        declared = _pa(feature)
        if (kind := canonical(declared)) is None:
            raise TaskError(f"feature {projection.name}:{feature.name} has the type {declared}, which Examples do not support; {INSTEAD}")
        yield pa.field(f"{projection.name_to_use()}__{feature.name}" if full_feature_names else feature.name, kind)


def _pa(field: Field) -> pa.DataType:
    return feast_value_type_to_pa(field.dtype.to_value_type())

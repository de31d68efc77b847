"""The work of materialize_features."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime, timezone
from io import StringIO
from typing import Any, NamedTuple

from feast import FeatureStore, FeatureView

from penstock.components.data.feature_repository import FeatureRepository, open_repository
from penstock.components.data.feature_tables import tables_of
from penstock.components.data.times import moment
from penstock.components.protocol import TaskError, figure

_logger = logging.getLogger(__name__)


class Outputs(NamedTuple):
    """The output parameters of materialize_features."""

    rows: int


def materialize_features(
    feature_repository: str,
    feature_views: list = [],  # noqa: B006 - the interface's default
    start_time: str = "",
    end_time: str = "",
) -> Outputs:
    """Writes features to an online store; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The repository or a parameter cannot be used, or a store cannot be reached.
    """
    start, end = _time("start_time", start_time), _time("end_time", end_time) or datetime.now(timezone.utc)
    if start and start > end:
        raise TaskError(f"start_time {start_time} is after end_time {end.isoformat()}; correct one of them")
    with open_repository(feature_repository) as repository:
        store = repository.registered()
        _check_lasts(repository, store)
        if changed := repository.not_applied(store):
            raise TaskError(f"the registry does not have {changed[0]!r} as feature_repository defines it; run `feast apply` there")
        views = _views(store, feature_views)
        tables_of(views.values())
        with repository.explaining("cannot be materialized"), _counted(store) as written, redirect_stdout(StringIO()):
            if start:
                store.materialize(start, end, list(views))
            elif due := [name for name, view in views.items() if not view.most_recent_end_time or view.most_recent_end_time < end]:
                store.materialize_incremental(end, due)
    for name in views:
        _logger.info("%s: the values of %s keys until %s", name, f"{written[name]:,}", end.isoformat())
    figure(f"{written.total():,} keys of {len(views)} feature views until {end.isoformat(timespec='seconds')}")
    return Outputs(written.total())


def _time(name: str, value: str) -> datetime | None:
    if not value:
        return None
    try:
        return moment(value)
    except ValueError as error:
        raise TaskError(f"{name} is {value!r:.60}; give a time as ISO 8601, such as 2026-11-01T06:00:00Z") from error


def _check_lasts(repository: FeatureRepository, store: FeatureStore) -> None:
    """Refuses to write to files that end with the task."""
    config = store.config
    for what, place in (("registry", config.registry.path), ("online_store", getattr(config.online_store, "path", ""))):
        if place and not repository.lasts and "://" not in place and not place.startswith("/"):
            raise TaskError(f"the {what} {place} would end with the task, because feature_repository is a copy; name a place that lasts")


def _views(store: FeatureStore, names: list) -> dict[str, FeatureView]:
    views = {view.name: view for view in [*store.list_batch_feature_views(), *store.list_stream_feature_views()]}
    if unknown := [name for name in names if name not in views]:
        known = ", ".join(sorted(views)) or "none"
        raise TaskError(f"the registry has no feature view {unknown[0]!r} (it has: {known}); run `feast apply`, or name one of these"[:500])
    chosen = {name: view for name, view in views.items() if view.online and (name in names or not names)}
    if not chosen:
        raise TaskError("the registry has no such feature view with online=True; run `feast apply` in feature_repository")
    return chosen


@contextmanager
def _counted(store: FeatureStore) -> Iterator[Counter[str]]:
    """Counts the keys that are written for each feature view, which Feast tells nobody."""
    online = store._get_provider().online_store  # noqa: SLF001
    write = online.online_write_batch
    written: Counter[str] = Counter()

    def counting(**given: Any) -> None:
        write(**given)
        written[given["table"].name] += len(given["data"])

    online.online_write_batch = counting
    yield written

"""The work of compare_features."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pyarrow.compute as pc
import pyarrow.types as pt

from penstock.components.data import stored
from penstock.components.data.feature_repository import open_repository
from penstock.components.data.feature_service import Features
from penstock.components.evidence.feature_skew import FILE, KINDS, STALE
from penstock.components.evidence.logs.logged_rows import LoggedRows
from penstock.components.evidence.logs.reading import KSERVE, PENSTOCK, VERTEX, Log
from penstock.components.evidence.logs.window import Window
from penstock.components.protocol import Output, TaskError, figure, redact

from .comparison import Comparison, FeatureCounts
from .report import write_report
from .sources import Source, sources_of

# Feast joins so many rows at a time: each join reads the tables.
_BATCH_ROWS = 100_000
_OTHER_LOGS = {KSERVE: "KServe's inference logger", VERTEX: "Vertex AI"}


class Outputs(NamedTuple):
    """The output parameters of compare_features."""

    rows: int


def compare_features(
    feature_skew: Output,
    report: Output,
    logs: str,
    feature_repository: str,
    feature_service: str,
    model_name: str = "",
    fingerprint: str = "",
    window_start: str = "",
    window_end: str = "",
    window_hours: float = 24.0,
    full_feature_names: bool = False,
    filter_by_created_timestamp: bool = True,
    tolerance: float = 1e-6,
) -> Outputs:
    """Compares features that were served with their point-in-time values; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: A parameter, the log or the repository cannot be used; a difference is a result.
    """
    now = datetime.now(timezone.utc)
    window = Window.read(window_start, window_end, window_hours, now)
    if not 0 <= tolerance < 1:
        raise TaskError(f"tolerance is {tolerance:g}; give a share of at least 0 and below 1")
    with open_repository(feature_repository) as repository:
        service = Features(repository, feature_service, full_feature_names, filter_by_created_timestamp)
        sources = sources_of(service, full_feature_names, filter_by_created_timestamp)
        texts = [each.name for each in [*service.keys, *service.schema] if pt.is_string(each.type)]
        log = Log(logs, "", model_name, texts)
        comparison, counts = Comparison(service, sources, tolerance), dict.fromkeys(("rows", "defaulted", "fetched", "untimed"), 0)
        if log.kind == PENSTOCK:
            for parts in _batches(_fetched(log.read(window), fingerprint, counts)):
                comparison.add(parts)
                figure(f"compared {counts['fetched']:,} rows")
        repository_hash = repository.files.sha256
    features = {name: _described(found) for name, found in sorted(comparison.features.items())}
    compared = max((found["rows"] for found in features.values()), default=0)
    found = {
        "model_name": model_name,
        "fingerprint": fingerprint,
        "time": now.isoformat(timespec="seconds"),
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "log": {"uri": redact(logs), "format": log.kind},
        "feature_repository": repository_hash,
        "feature_service": feature_service,
        "keys": service.keys.names,
        "filter_by_created_timestamp": filter_by_created_timestamp,
        "tolerance": tolerance,
        **counts,
        "compared": compared,
        "features": features,
        "not_fetched": [name for name in service.schema.names if name not in features],
        "tables": [_table(source) for source in sources if source.table is not None],
        "unknown": _unknown(log.kind, counts, comparison, sources),
    }
    feature_skew.path.mkdir(parents=True)
    (feature_skew.path / FILE).write_text(stored.dump(found, indent=1, allow_nan=False), encoding="utf-8")
    feature_skew.metadata |= {"rows": compared, "feature_service": feature_service, "feature_repository": repository_hash}
    write_report(report.path, found)
    figure(_headline(found))
    return Outputs(compared)


def _fetched(batches: Iterable[LoggedRows], fingerprint: str, counts: dict[str, int]) -> Iterator[LoggedRows]:
    """Yields the rows of the model that have fetched features and a time, and counts them and the others."""
    for batch in batches:
        rows = batch.filter(pc.starts_with(batch.about.column("fingerprint"), fingerprint).fill_null(False)) if fingerprint else batch
        fetched = rows.filter(pc.greater(pc.list_value_length(rows.about.column("fetched")), 0).fill_null(False))
        timed = fetched.filter(fetched.about.column("time").is_valid())
        counts["rows"] += len(rows)
        counts["defaulted"] += pc.sum(rows.about.column("features_defaulted")).as_py() or 0
        counts["fetched"] += len(fetched)
        counts["untimed"] += len(fetched) - len(timed)
        if len(timed):
            yield timed


def _batches(parts: Iterable[LoggedRows]) -> Iterator[list[LoggedRows]]:
    """Yields parts, so many together that they are worth a join."""
    batch: list[LoggedRows] = []
    for part in parts:
        batch.append(part)
        if sum(map(len, batch)) >= _BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _described(found: FeatureCounts) -> dict[str, Any]:
    different = found.kinds.total()
    return {
        "rows": found.rows,
        "different": different,
        "share": different / found.rows if found.rows else None,
        **{kind: found.kinds[kind] for kind in KINDS},
        "oldest_seconds": found.oldest if found.kinds[STALE] else None,
        "without_keys": found.without_keys,
        "beyond": found.beyond,
        "examples": found.examples,
    }


def _table(source: Source) -> dict[str, Any]:
    newest = None if source.newest is None else source.newest.isoformat(timespec="seconds")
    return {"feature_view": source.name, "newest": newest, "ttl_seconds": source.ttl.total_seconds()}


def _unknown(kind: str, counts: dict[str, int], comparison: Comparison, sources: list[Source]) -> list[str]:
    """Returns what could not be compared, with the reasons."""
    if kind != PENSTOCK:
        return [f"the log is of {_OTHER_LOGS[kind]}, which does not say what was fetched; give the model server's prediction log"]
    if not counts["rows"]:
        return ["the log has no row in the window"]
    if not counts["fetched"] and not counts["defaulted"]:
        return ["no row of the window has fetched features; start the model server with --feature_service"]
    undefined = comparison.undefined.items()
    found = [f"{rows:,} rows have the fetched feature {name}, which the service does not define" for name, rows in undefined]
    if counts["defaulted"]:
        found.append(f"{counts['defaulted']:,} rows were answered with defaults, because the feature server was away")
    if counts["untimed"]:
        found.append(f"{counts['untimed']:,} rows have no time")
    for source in sources:
        of_source = [comparison.features[name] for name in source.features if name in comparison.features]
        if without := max((each.without_keys for each in of_source), default=0):
            found.append(f"{source.name}: {without:,} rows have no {' or '.join(source.keys)} that can be read")
        if beyond := max((each.beyond for each in of_source), default=0):
            newest = source.newest.isoformat(timespec="seconds") if source.newest else "there is none"
            found.append(f"{source.name}: {beyond:,} rows are later than the table's newest value ({newest}) by more than the TTL")
    return found


def _headline(found: dict[str, Any]) -> str:
    shares = {name: each["share"] for name, each in found["features"].items() if each["share"]}
    if not shares:
        return (
            f"{found['compared']:,} rows: no difference" if not found["unknown"] else f"{found['compared']:,} rows: {found['unknown'][0]}"
        )
    worst = max(shares, key=lambda name: shares[name])
    return f"{found['compared']:,} rows: {worst} differs in {shares[worst]:.2%}"

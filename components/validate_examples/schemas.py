"""The Schema: reviewed by people, or inferred and offered for review."""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from .statistics import FeatureStatistics, Statistics, by_name, common, count_infinite, count_nan, histogram, is_numeric

FILE = "schema.pbtxt"
# TFDV leaves these alone.
_UNCHECKED = (schema_pb2.PLANNED, schema_pb2.ALPHA, schema_pb2.DEBUG_ONLY, schema_pb2.DEPRECATED, schema_pb2.DISABLED)
_INFERRED = "# Inferred from the data, not reviewed yet. Review it, keep it under version control, and pass it as schema_file.\n"


def infer(statistics: dict[str, Statistics], environments: dict[str, str]) -> schema_pb2.Schema:
    """Infers a Schema over all given Splits; features and domains are sorted, because their order would depend on the source's.

    Args:
        statistics: The Splits' Statistics.
        environments: The environments of Splits: a feature that no Split of an environment has, such as the label of rows to serve, is not in it.
    """
    first, *others = sorted(statistics, key=lambda split: (split in environments, split))
    schema = tfdv.infer_schema(statistics[first])
    for split in others:
        schema = _updated(schema, statistics[split])
    for environment in sorted(set(environments.values())):
        present = {name for split, found in statistics.items() if environments.get(split) == environment for name in by_name(found)}
        schema.default_environment.append(environment)
        for feature in schema.feature:
            if present and feature.name not in present:
                feature.not_in_environment.append(environment)
    schema.feature.sort(key=lambda feature: feature.name)
    schema.string_domain.sort(key=lambda domain: domain.name)
    return schema


def _updated(schema: schema_pb2.Schema, statistics: Statistics) -> schema_pb2.Schema:
    """Widens a Schema to what another Split holds; TFDV would deprecate the features that it lacks, or has no value of."""
    updated = tfdv.update_schema(schema, statistics)
    known, found = {feature.name: feature for feature in schema.feature}, by_name(statistics)
    for feature in updated.feature:
        is_there = feature.name in found
        if feature.name in known and not (is_there and common(found[feature.name]).num_non_missing):
            feature.CopyFrom(known[feature.name])
            if is_there:  # it may be missing everywhere, then
                feature.ClearField("presence")
    return updated


def propose_ranges(schema: schema_pb2.Schema, seen: Iterable[Statistics]) -> None:
    """Gives each number of an inferred Schema that has no domain a range: what was seen, and half as much again on either side.

    So a unit that changed (kilometers for miles) or a broken sensor is found. Numbers that were never negative stay so, and floats
    that were all finite may be neither NaN nor infinite. A feature of one value gets no range: nothing tells how it spreads.
    """
    seen = list(seen)
    for feature in schema.feature:
        if feature.type in (schema_pb2.INT, schema_pb2.FLOAT) and not feature.WhichOneof("domain_info"):
            found = [known[feature.name] for known in map(by_name, seen) if feature.name in known]
            _propose_range(feature, [side for side in found if is_numeric(side) and common(side).num_non_missing])


def _propose_range(feature: schema_pb2.Feature, seen: list[FeatureStatistics]) -> None:
    numbers = [side.num_stats for side in seen if histogram(side).buckets]
    if not numbers:
        return
    has_nan, has_infinite = any(map(count_nan, seen)), any(map(count_infinite, seen))
    if feature.type == schema_pb2.FLOAT:
        if not has_nan:
            feature.float_domain.disallow_nan = True
        if not has_infinite:
            feature.float_domain.disallow_inf = True
    least, greatest = min(side.min for side in numbers), max(side.max for side in numbers)
    if has_infinite or least == greatest:
        return
    margin = (greatest - least) / 2
    low, high = _outward(0.0 if 0 <= least < margin else least - margin, math.floor), _outward(greatest + margin, math.ceil)
    if feature.type == schema_pb2.FLOAT:
        feature.float_domain.min, feature.float_domain.max = low, high
    else:
        feature.int_domain.min, feature.int_domain.max = max(math.floor(low), -(2**63)), min(math.ceil(high), 2**63 - 1)


def _outward(value: float, rounded: Callable[[float], int]) -> float:
    """Rounds away from the values, to three digits: a range that people shall read."""
    if not value or not math.isfinite(value):
        return value
    digits = 2 - math.floor(math.log10(abs(value)))
    return rounded(value * 10.0**digits) / 10.0**digits


def features_of(schema: schema_pb2.Schema, environment: str | None) -> dict[str, schema_pb2.Feature]:
    """Returns the features that are checked in an environment (any, if None) under their paths, steps joined by dots."""
    return dict(_walk(schema, schema.feature, environment, ""))


def _walk(
    schema: schema_pb2.Schema, features: Iterable[schema_pb2.Feature], environment: str | None, prefix: str
) -> Iterator[tuple[str, schema_pb2.Feature]]:
    for feature in features:
        if feature.lifecycle_stage in _UNCHECKED or feature.deprecated or not _is_in(feature, schema, environment):
            continue
        if feature.HasField("struct_domain"):
            yield from _walk(schema, feature.struct_domain.feature, environment, f"{prefix}{feature.name}.")
        else:
            yield prefix + feature.name, feature


def _is_in(feature: schema_pb2.Feature, schema: schema_pb2.Schema, environment: str | None) -> bool:
    if environment is None or environment in feature.in_environment:
        return True
    return environment in schema.default_environment and environment not in feature.not_in_environment


def save(schema: schema_pb2.Schema, folder: Path, is_inferred: bool) -> None:
    """Writes `schema.pbtxt`, with a first line that says so if it was inferred."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text((_INFERRED if is_inferred else "") + text_format.MessageToString(schema), encoding="utf-8")


def for_statistics(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Returns a copy in which 0/1 features count as numbers, unless a comparator wants them as categories.

    A Schema that was inferred calls them bool only after their Statistics were computed as numbers. Were they categories from
    then on, TFDV could not compare the two, and would skip the comparison with a warning in its log.
    """
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    for feature in result.feature:
        wants_categories = any(
            getattr(feature, comparator).HasField("infinity_norm") for comparator in ("drift_comparator", "skew_comparator")
        )
        if feature.type in (schema_pb2.INT, schema_pb2.FLOAT) and feature.HasField("bool_domain") and not wants_categories:
            feature.ClearField("bool_domain")
    return result

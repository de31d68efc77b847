"""What a window is compared with: the bins that the reference gives, and its own counts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from penstock.components.data.ahead import ahead
from penstock.components.protocol import TaskError

from .bins import Bins, CategoryBins, Counts, NumberBins, Sample, numbers_of, texts_of

_NOT_SERVED = ("SERVING",)
Batches = Callable[[], Iterable[pa.RecordBatch]]


@dataclass(frozen=True)
class Reference:
    """A reference's features.

    Attributes:
        bins: The bins of each feature.
        counts: What the reference has in them.
        rows: Its rows.
    """

    bins: dict[str, Bins]
    counts: dict[str, Counts]
    rows: int


def read_reference(batches: Batches, schema: schema_pb2.Schema | None, excluded: set[str]) -> Reference:
    """Reads a reference twice: for the bins, and to count what is in them.

    Args:
        batches: Gives the rows, each time anew.
        schema: The Schema; None: kinds are those of the columns.
        excluded: Features that are not compared.

    Raises:
        TaskError: It has no rows.
    """
    samples: dict[str, Sample] = {}
    categories: dict[str, Counter] = {}
    described = {feature.name: feature for feature in schema.feature} if schema else {}
    total = 0
    for batch in ahead(batches()):
        total += batch.num_rows
        for name, column in _columns(batch, excluded):
            if _is_number(described.get(name), column.type, name in categories):
                samples.setdefault(name, Sample()).add(numbers_of(column))
            else:
                counted = pc.value_counts(texts_of(column))
                categories.setdefault(name, Counter()).update(dict(zip(*(counted.field(at).to_pylist() for at in (0, 1)), strict=True)))
    if not total:
        raise TaskError("the reference has no rows; give one with rows")
    bins: dict[str, Bins] = {
        name: NumberBins.of_sample(sample.values, *_range(described.get(name)))
        for name, sample in samples.items()
        if name not in categories
    }
    domains = {domain.name: list(domain.value) for domain in schema.string_domain} if schema else {}
    bins |= {name: CategoryBins.of_counts(counted, _domain(described.get(name), domains)) for name, counted in categories.items()}
    return Reference(bins, count_all(batches(), bins), total)


def only_rows(batches: Batches, wanted: dict[str, list[Any]]) -> Batches:
    """Returns the batches with those rows alone whose features have one of some values.

    Raises:
        TaskError: The reference has no such feature, or its values are of another type.
    """

    def filtered() -> Iterator[pa.RecordBatch]:
        for batch in batches():
            rows = batch
            for name, values in wanted.items():
                if name not in rows.schema.names:
                    raise TaskError(f"monitoring_config: reference_rows names {name}, which the reference lacks; correct it")
                column = rows.column(name)
                try:
                    rows = rows.filter(pc.is_in(column, pa.array(values, column.type)))
                except (pa.ArrowException, TypeError, ValueError) as error:
                    raise TaskError(
                        f"monitoring_config: reference_rows.{name} has values that are no {column.type}; correct them"
                    ) from error
            yield rows

    return filtered if wanted else batches


def count_all(batches: Iterable[pa.RecordBatch], bins: dict[str, Bins]) -> dict[str, Counts]:
    """Counts the features of some rows, those that have bins; a column that a batch lacks is missing in its rows."""
    counts = {name: each.empty() for name, each in bins.items()}
    for batch in ahead(batches):
        count_into(counts, batch, bins)
    return counts


def count_into(counts: dict[str, Counts], batch: pa.RecordBatch, bins: dict[str, Bins]) -> None:
    """Adds a batch to counts."""
    columns = dict(_columns(batch, set()))
    for name, each in bins.items():
        if name in columns:
            counts[name].add(each.count(columns[name]))
        else:
            counts[name].rows += batch.num_rows
            counts[name].missing += batch.num_rows


def served(schema: schema_pb2.Schema | None) -> set[str]:
    """Returns the features that the Schema says no request has."""
    return {feature.name for feature in schema.feature if set(_NOT_SERVED) & set(feature.not_in_environment)} if schema else set()


def _columns(batch: pa.RecordBatch, excluded: set[str]) -> Iterator[tuple[str, pa.Array]]:
    return ((name, batch.column(place)) for place, name in enumerate(batch.schema.names) if name not in excluded)


def _is_number(feature: schema_pb2.Feature | None, kind: pa.DataType, is_category: bool) -> bool:
    """Tells whether values are compared as numbers: the Schema may say that whole numbers are categories."""
    if feature is not None and feature.type:
        is_categorical = feature.int_domain.is_categorical or feature.HasField("bool_domain")
        return feature.type != schema_pb2.BYTES and not is_categorical
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_dictionary(kind):
        kind = kind.value_type
    return not is_category and (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _range(feature: schema_pb2.Feature | None) -> tuple[float, float]:
    if feature is None:
        return -np.inf, np.inf
    domain = feature.WhichOneof("domain_info")
    if domain not in ("int_domain", "float_domain"):
        return -np.inf, np.inf
    found = getattr(feature, domain)
    return (found.min if found.HasField("min") else -np.inf), (found.max if found.HasField("max") else np.inf)


def _domain(feature: schema_pb2.Feature | None, domains: dict[str, list[str]]) -> list[str] | None:
    if feature is None:
        return None
    kind = feature.WhichOneof("domain_info")
    if kind == "string_domain":
        return list(feature.string_domain.value)
    if kind == "domain":
        return domains.get(feature.domain)
    if kind == "bool_domain":
        return [feature.bool_domain.true_value or "1", feature.bool_domain.false_value or "0"]
    if kind == "int_domain" and feature.int_domain.HasField("min") and feature.int_domain.max - feature.int_domain.min < 10_000:
        return [str(value) for value in range(feature.int_domain.min, feature.int_domain.max + 1)]
    return None

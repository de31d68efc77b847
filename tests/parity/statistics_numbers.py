"""Compares every number in two folders of Statistics; run where the protobuf of TensorFlow Metadata is.

python statistics_numbers.py ONE OTHER
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList, StringStatistics

# Quantiles, and histograms that are made of them.
_SKETCHED = re.compile("histograms|median")


def main() -> None:
    """Prints how many numbers there are, the largest relative difference and its place; apart from these, that of what sketches estimate."""
    one, other = (dict(numbers(Path(folder))) for folder in sys.argv[1:3])
    differences = {name: apart(value, other[name]) for name, value in one.items() if name in other}
    exact = {name: value for name, value in differences.items() if not _SKETCHED.search(name)}
    worst = max(exact, key=lambda name: exact[name])
    sketched = max((value for name, value in differences.items() if name not in exact), default=0.0)
    missing = sorted(one.keys() ^ other.keys())
    print(
        json.dumps({"numbers": len(differences), "difference": exact[worst], "worst": worst, "sketched": sketched, "missing": len(missing)})
    )


def numbers(folder: Path) -> Iterator[tuple[str, float]]:
    """Yields every number of every Split's Statistics under its place."""
    for path in sorted(folder.glob("Split-*/FeatureStats.pb")):
        (dataset,) = DatasetFeatureStatisticsList.FromString(path.read_bytes()).datasets
        for feature in dataset.features:
            _order(feature.string_stats)
            yield from _numbers(f"{path.parent.name} {'.'.join(feature.path.step) or feature.name}", json_format.MessageToDict(feature))


def _order(strings: StringStatistics) -> None:
    """Puts equally frequent values into one order: integers are in that of their texts in one process, and in that of the numbers on Beam."""
    strings.top_values.sort(key=lambda each: (-each.frequency, each.value))
    strings.rank_histogram.buckets.sort(key=lambda each: (-each.sample_count, each.label))
    for rank, bucket in enumerate(strings.rank_histogram.buckets):
        bucket.low_rank = bucket.high_rank = rank


def _numbers(place: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(f"{place} {name}", item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _numbers(f"{place}[{number}]", item)
    else:
        try:
            yield place, float(value)
        except ValueError:  # a name
            return


def apart(one: float, other: float) -> float:
    """Returns the relative difference of two numbers."""
    return abs(one - other) / max(abs(one), abs(other), 1e-12) if one != other else 0.0


if __name__ == "__main__":
    main()

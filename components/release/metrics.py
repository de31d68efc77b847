"""The metrics of a model server, as Prometheus reads them."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

SERVED = "penstock_served_model"


def read_families(text: str, *prefixes: str) -> Iterator[Metric]:
    """Yields the families of metrics whose names start with one of some prefixes.

    Args:
        text: The answer of `/metrics`, or a file of such metrics.
        prefixes: The prefixes.

    Raises:
        ValueError: It is not Prometheus' text format.
    """
    return (family for family in text_string_to_metric_families(text) if family.name.startswith(prefixes))


def pick_families(text: str, *prefixes: str) -> Iterator[Metric]:
    """Yields what `read_families` does, but parses only the lines that name a prefix: a rollout reads metrics hundreds of times.

    Raises:
        ValueError: One of these lines is not in Prometheus' text format.
    """
    return read_families("\n".join(line for line in text.split("\n") if any(prefix in line for prefix in prefixes)), *prefixes)

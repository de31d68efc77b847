"""What a model server's own metrics say of one version."""

from prometheus_client.parser import text_string_to_metric_families

from ..serving import CANDIDATE
from .destination import Traffic

REQUESTS = "penstock_requests"


def read_traffic(exposition: str, model_name: str, fingerprint: str) -> Traffic | None:
    """Sums the requests that a version has answered, under its own name and as a candidate.

    Args:
        exposition: The answer of `/metrics`, in Prometheus' text format.
        model_name: The name under which the model serves.
        fingerprint: The version's fingerprint.

    Returns:
        The traffic; None where the server does not count requests.
    """
    counted = [family for family in text_string_to_metric_families(exposition) if family.name == REQUESTS]
    samples = [
        (sample.labels["code"], sample.value)
        for family in counted
        for sample in family.samples
        if sample.name == f"{REQUESTS}_total"
        and sample.labels["fingerprint"] == fingerprint
        and sample.labels["model_name"].removesuffix(CANDIDATE) == model_name
    ]
    errors = sum(value for code, value in samples if code.startswith("5"))
    return Traffic(int(sum(value for _, value in samples)), int(errors)) if counted else None

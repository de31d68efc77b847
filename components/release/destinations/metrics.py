"""What a model server's own metrics say of one version."""

from ..metrics import SERVED, pick_families
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
    families = list(pick_families(exposition, REQUESTS, SERVED))
    if all(family.name != REQUESTS for family in families):
        return None

    def read(name: str) -> list[tuple[str, float]]:
        return [
            (sample.labels.get("code", ""), sample.value)
            for family in families
            for sample in family.samples
            if sample.name == name
            and sample.labels["fingerprint"] == fingerprint
            and sample.labels["model_name"].removesuffix(CANDIDATE) == model_name
        ]

    counted = read(f"{REQUESTS}_total")
    since = min((value for _, value in read(f"{REQUESTS}_created")), default=0.0)
    errors = sum(value for code, value in counted if code.startswith("5"))
    return Traffic(int(sum(value for _, value in counted)), int(errors), since, is_served=bool(read(SERVED)))

"""What a model server says that it serves, whatever anybody has written down."""

import http.client
import urllib.request

from .metrics import SERVED, pick_families
from .serving import ServerInfo

_SECONDS = 5.0


def read_served(metrics: str, model: str) -> frozenset[str] | None:
    """Returns the fingerprints that answer under a model's name.

    Args:
        metrics: The answer of `/metrics`.
        model: The model's name.

    Returns:
        The fingerprints; None if the server is another than Penstock's, which does not tell.
    """
    try:
        found = list(pick_families(metrics, SERVED))
    except ValueError:  # not metrics
        return None
    samples = (sample for family in found for sample in family.samples if sample.value == 1 and sample.labels.get("model_name") == model)
    return frozenset(sample.labels["fingerprint"] for sample in samples) if found else None


def ask_served(info: ServerInfo, model: str) -> frozenset[str]:
    """Asks a server of this machine, past any proxy, which fingerprints answer under a model's name; none if it does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{info.host}:{info.port}/metrics", timeout=_SECONDS) as answer:
            return read_served(answer.read().decode(errors="replace"), model) or frozenset()
    except (OSError, http.client.HTTPException):
        return frozenset()

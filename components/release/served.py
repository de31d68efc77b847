"""What a model server says that it serves, whatever anybody has written down."""

import http.client
import re
import urllib.request

from .serving import ServerInfo

_FAMILY = "# TYPE penstock_served_model gauge"
_SAMPLE = re.compile(r'^penstock_served_model\{fingerprint="([^"]*)",model_name="([^"]*)",version="[^"]*"\} 1\.0$', re.MULTILINE)
_SECONDS = 5.0


def read_served(metrics: str, model: str) -> frozenset[str] | None:
    """Returns the fingerprints that answer under a model's name.

    Args:
        metrics: The answer of `/metrics`.
        model: The model's name.

    Returns:
        The fingerprints; None if the server is another than Penstock's, which does not tell.
    """
    return frozenset(found for found, name in _SAMPLE.findall(metrics) if name == model) if _FAMILY in metrics else None


def ask_served(info: ServerInfo, model: str) -> frozenset[str]:
    """Asks a server of this machine, past any proxy, which fingerprints answer under a model's name; none if it does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{info.host}:{info.port}/metrics", timeout=_SECONDS) as answer:
            return read_served(answer.read().decode(errors="replace"), model) or frozenset()
    except (OSError, http.client.HTTPException):
        return frozenset()

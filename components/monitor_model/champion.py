"""Which version the registry says should serve, for alerts that compare it with what does."""

import logging
import time
from typing import Any

from penstock.components.protocol import TaskError

_logger = logging.getLogger(__name__)


def read_champion(model_name: str, alias: str, tracking_uri: str, registry_uri: str) -> dict[str, Any] | None:
    """Asks the registry. It has no part in the verdict: what it does not say is a warning.

    Args:
        model_name: The registered model.
        alias: The champion's alias.
        tracking_uri: MLflow's tracking server.
        registry_uri: The registry, if it is another.

    Returns:
        The champion's `version` and `fingerprint`, `registered`, when it was registered, and `asked`, now, both as seconds since 1970.
        None where there is none, or the registry cannot be asked.

    Raises:
        TaskError: No model is named.
    """
    if not model_name:
        raise TaskError("champion_alias needs model_name, the name of the registered model; give both")
    from penstock.components.release.registry import open_registry  # MLflow takes a second

    try:
        found = open_registry(model_name, tracking_uri, registry_uri).resolve(alias)
    except (TaskError, OSError) as error:
        _logger.warning("the champion is unknown (%s); the verdict stands", error)
        return None
    if found is None:
        _logger.warning("no version of %s has the alias %s", model_name, alias)
        return None
    return {"version": found.version, "fingerprint": found.fingerprint, "registered": found.registered, "asked": time.time()}

"""The champion of a registered model, and the Examples that it was made from."""

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.components.protocol import TaskError

if TYPE_CHECKING:
    from penstock.components.release.registry import RegisteredVersion

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegisteredExamples:
    """Examples that a version was made from.

    Attributes:
        uri: Their URI.
        fingerprint: The fingerprint of their bytes.
        model: The fingerprint of the version.
    """

    uri: str
    fingerprint: str
    model: str


def read_champion(model_name: str, alias: str, tracking_uri: str, registry_uri: str, *, is_required: bool) -> "RegisteredVersion | None":
    """Asks the registry for the champion.

    Args:
        model_name: The registered model.
        alias: The champion's alias.
        tracking_uri: MLflow's tracking server.
        registry_uri: The registry, if it is another.
        is_required: Whether the monitoring needs the champion's Examples. Otherwise the champion has no part in the verdict, and a
            failure is a warning.

    Returns:
        The version; None where there is none, or where the registry does not answer and need not.

    Raises:
        TaskError: No model is named, or the registry does not answer and the champion is required.
    """
    if not model_name:
        raise TaskError("champion_alias needs model_name, the name of the registered model; give both")
    from penstock.components.release.registry import open_registry  # MLflow takes a second

    try:
        found = open_registry(model_name, tracking_uri, registry_uri).resolve(alias)
    except (TaskError, OSError) as error:
        if is_required:
            raise
        _logger.warning("the champion is unknown (%s); the verdict stands", error)
        return None
    if found is not None:
        return found
    if is_required:
        raise TaskError(f"no version of {model_name} has the alias {alias}, so its Examples are unknown; give reference_uri")
    _logger.warning("no version of %s has the alias %s", model_name, alias)
    return None


def describe(champion: "RegisteredVersion") -> dict[str, Any]:
    """Returns the champion's `version` and `fingerprint`, when it was `registered` and `asked` for (now), in seconds since 1970."""
    return {
        "version": champion.version,
        "fingerprint": champion.fingerprint,
        "registered": champion.registered,
        "asked": time.time(),
    }


def examples_of(champion: "RegisteredVersion", model_name: str, alias: str, wanted: str) -> RegisteredExamples:
    """Returns the Examples that the champion was made from.

    Args:
        champion: The champion.
        model_name: The registered model.
        alias: The champion's alias.
        wanted: The fingerprint of the model that is monitored, or its start; empty: the champion's.

    Raises:
        TaskError: The champion is another model, or the registry does not know its Examples.
    """
    from penstock.components.release.registry import Lineage

    if not champion.fingerprint.startswith(wanted):
        raise TaskError(
            f"the {alias} of {model_name} is the model {champion.fingerprint[:12]}, and {wanted[:12]} is monitored; give reference_uri"
        )
    lineage = Lineage.from_tags(champion.tags)
    if not lineage.data_uri:
        raise TaskError(f"version {champion.version} of {model_name} was registered without the URI of its Examples; give reference_uri")
    return RegisteredExamples(lineage.data_uri, lineage.data_fingerprint, champion.fingerprint)

"""The Examples that the champion was trained on, as the registry has them."""

from dataclasses import dataclass

from penstock.components.protocol import TaskError


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


def read_registered(model_name: str, alias: str, tracking_uri: str, registry_uri: str, wanted: str) -> RegisteredExamples:
    """Asks the registry.

    Args:
        model_name: The registered model.
        alias: The champion's alias.
        tracking_uri: MLflow's tracking server.
        registry_uri: The registry, if it is another.
        wanted: The fingerprint of the model that is monitored, or its start; empty: the champion's.

    Raises:
        TaskError: There is no champion, it is another model, or the registry does not know its Examples or cannot be asked.
    """
    from penstock.components.release.registry import Lineage, open_registry  # MLflow takes a second

    found = open_registry(model_name, tracking_uri, registry_uri).resolve(alias)
    if found is None:
        raise TaskError(f"no version of {model_name} has the alias {alias}, so its Examples are unknown; give reference_uri")
    if not found.fingerprint.startswith(wanted):
        raise TaskError(
            f"the {alias} of {model_name} is the model {found.fingerprint[:12]}, and {wanted[:12]} is monitored; give reference_uri"
        )
    lineage = Lineage.from_tags(found.tags)
    if not lineage.data_uri:
        raise TaskError(f"version {found.version} of {model_name} was registered without the URI of its Examples; give reference_uri")
    return RegisteredExamples(lineage.data_uri, lineage.data_fingerprint, found.fingerprint)

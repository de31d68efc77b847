"""From a registry's URI to the registry."""

from ..names import check_model_name
from .registry import Registry

VERTEX = "vertex://"


def open_registry(model_name: str, tracking_uri: str = "", registry_uri: str = "") -> Registry:
    """Opens the registry that a URI names.

    Args:
        model_name: The registered model's name.
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: `vertex://PROJECT/LOCATION`, or an MLflow server of its own. Empty: the tracking server's.

    Raises:
        TaskError: The name or the URI is invalid, or the registry does not answer.
    """
    check_model_name(model_name)
    if registry_uri.startswith(VERTEX):  # each with clients of its own, which take seconds to import
        from .vertex import VertexRegistry

        return VertexRegistry(model_name, registry_uri)
    from .mlflow import MlflowRegistry

    return MlflowRegistry(model_name, registry_uri or tracking_uri)

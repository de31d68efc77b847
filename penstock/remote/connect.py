"""Finds the backend of a command."""

from .contexts import find_settings
from .settings import KubeflowSettings, Settings
from .target import Target


def connect(context: str, target: str, flags: dict[str, str]) -> tuple[Target, Settings]:
    """Returns a backend, and what is set for it.

    Args:
        context: The context of `penstock.toml`; empty for the one that fits.
        target: `kubeflow` or `vertex`; empty where the context says it.
        flags: Settings of the command line; empty ones do not count.

    Raises:
        UserError: It is not known where the backend is.
    """
    _, settings = find_settings(context, target, flags)
    if isinstance(settings, KubeflowSettings):
        from .kubeflow import KubeflowTarget

        return KubeflowTarget(settings), settings
    from .vertex import VertexTarget

    return VertexTarget(settings), settings

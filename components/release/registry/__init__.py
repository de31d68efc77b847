"""The model registry: MLflow's or Vertex AI's, reduced to what a release needs."""

from .files import BrokenVersion, fetch_version
from .lineage import Lineage
from .registry import RegisteredVersion, Registry
from .uri import open_registry

__all__ = ["BrokenVersion", "Lineage", "RegisteredVersion", "Registry", "fetch_version", "open_registry"]

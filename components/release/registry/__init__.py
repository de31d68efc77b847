"""The model registry: MLflow's or Vertex AI's, reduced to what a release needs."""

from .lineage import Lineage
from .registry import RegisteredVersion, Registry
from .uri import open_registry

__all__ = ["Lineage", "RegisteredVersion", "Registry", "open_registry"]

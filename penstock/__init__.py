"""Penstock: gated Kubeflow Pipelines components, and the pipelines composed from them."""

__all__ = ["__version__"]

__version__ = "0.1.0"

"""Penstock: gated Kubeflow Pipelines components, and the pipelines composed from them."""

__version__ = "0.1.0"

"""Kubeflow Pipelines, through kfp's client and its generated services."""

from .target import KubeflowTarget

__all__ = ["KubeflowTarget"]

"""Vertex AI Pipelines. Its client is slow to import, so it is imported when it is first used."""

from .target import VertexTarget

__all__ = ["VertexTarget"]

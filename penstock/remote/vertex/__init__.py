"""Vertex AI Pipelines. Its client is slow to import, so it is imported when it is first used."""

import warnings

from .target import VertexTarget

__all__ = ["VertexTarget"]

# Google's clients say of every Python that they will leave behind so, once for each of their packages.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.api_core")

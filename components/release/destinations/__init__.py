"""Where a model can be pushed to: one module for each scheme of a destination URI, all with the verbs of `Destination`."""

from .destination import Answer, Ask, Check, Current, Destination, StepFailed, Traffic
from .lookup import parse

__all__ = ["Answer", "Ask", "Check", "Current", "Destination", "StepFailed", "Traffic", "parse"]

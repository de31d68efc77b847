"""The destinations: one package for each scheme of a destination URI, each with the verbs of `Destination`."""

from .destination import Answer, Ask, Check, Current, Destination, StepFailed, Traffic
from .lookup import parse

__all__ = ["Answer", "Ask", "Check", "Current", "Destination", "StepFailed", "Traffic", "parse"]

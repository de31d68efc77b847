"""The `penstock` command: one module per command or group of commands. It imports every other room; none imports it."""

from .root import main

__all__ = ["main"]

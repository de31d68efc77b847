"""Pipelines composed from Penstock's components."""

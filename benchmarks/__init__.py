"""Penstock against a named peer, and against its own promises. Run with `python -m benchmarks`."""

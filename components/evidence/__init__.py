"""The evidence of gates: what a gate passes on, how it is written down, and how whoever comes later reads it.

Its modules are imported by name: `answers` (a model's answers, and whether two are the same), `baseline`, `blessing`, `eval_config` (needs
TFMA), `page` (needs Jinja), `probe` and `verdict`. This room imports `protocol` and `data`.
"""

"""The evidence of gates: its content, its format, and how later tasks read it.

Its modules are imported by name: `answers` (a model's answers, and whether two are the same), `baseline`, `blessing`, `eval_config` (needs
TFMA), `logs` (what models were asked and answered), `page` (needs Jinja), `probe`, `scores` (how predictions are distributed) and
`verdict`. This room imports `protocol` and `data`.
"""

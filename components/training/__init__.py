"""Calling a user's `run_fn`: what it is called with, the strategy that it runs under, and the MLflow run that follows it.

Its modules are imported by name and need TensorFlow and MLflow: `run_fn` (the FnArgs and the call), `data_accessor` (how it reads
Examples), `strategy`, `tracking`. This room imports `protocol`, `data` and `release`.
"""

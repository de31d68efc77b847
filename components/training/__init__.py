"""Calling a user's `run_fn`: what it is called with, the strategy that it runs under, and the MLflow run that follows it.

Its modules are imported by name and need TensorFlow and MLflow: `run_fn` (the FnArgs and the call), `data_accessor` (how it reads
Examples), `strategy`, `tracking`, `resuming` (the callback with which a training goes on after its process has ended) and `checkpoints` (where
its state lies), `fits`. This room imports `protocol`, `data` and `release`.
"""

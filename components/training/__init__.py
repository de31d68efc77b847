"""Calling a user's `run_fn`: what it is called with, the strategy that it runs under, and the MLflow run that follows it.

Its modules are imported by name and need TensorFlow and MLflow: `run_fn` (the FnArgs and the call), `hyperparameters`, `data_accessor` (how it
reads Examples), `strategy`, `team` (the workers that train together), `gpus`, `distributed_keras` (corrections of Keras), `tracking`, `resuming`
(the callback with which a training goes on after its process has ended), `agreement` (what the workers decide together), `checkpoints` (where
its state is kept) and `fits`. This room imports `protocol`, `data` and `release`.
"""

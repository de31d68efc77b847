"""Imports what asking MLflow's registry takes, and what MLflow puts off until it opens a database: for processes that begin with it."""

import importlib
import os

_DATABASE = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store")

importlib.import_module(".mlflow", __package__)
if os.environ.get("MLFLOW_TRACKING_URI", "").startswith("sqlite:"):
    for name in _DATABASE:
        importlib.import_module(name)

"""Runs a compiled file on Kubeflow Pipelines and on Vertex AI Pipelines with one set of commands."""

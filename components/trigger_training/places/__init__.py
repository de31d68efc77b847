"""Where trainings run: this machine, Kubeflow Pipelines, Vertex AI. Each lists its runs and starts one."""

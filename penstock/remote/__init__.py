"""Running a compiled file elsewhere: on Kubeflow Pipelines and on Vertex AI Pipelines, from one set of commands."""

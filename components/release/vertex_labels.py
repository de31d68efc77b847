"""The labels of the run that a task belongs to, for what the task makes on Vertex AI: the bill is added up by them."""

import json
import os

_VARIABLE = "VERTEX_AI_PIPELINES_RUN_LABELS"


def run_labels() -> dict[str, str]:
    """Returns the labels that Vertex AI Pipelines gives to the tasks of a run, in an environment variable; none elsewhere.

    Source: https://cloud.google.com/vertex-ai/docs/pipelines/gcpc-label-propagation
    """
    try:
        labels = json.loads(os.environ.get(_VARIABLE, "{}"))
    except ValueError:
        labels = {}
    return labels if isinstance(labels, dict) else {}

"""Reads the overall metrics of Evaluations with TFMA, whichever program wrote them. Runs in the benchmark's TFX environment."""

import json
import sys

import tensorflow_model_analysis as tfma


def overall(evaluation: str) -> dict[str, float]:
    """Returns a candidate's metrics on all examples, by name, where they are single numbers."""
    whole = next(metrics for metrics in tfma.load_metrics(evaluation) if not metrics.slice_key.single_slice_keys)
    return {
        item.key.name: item.value.double_value.value
        for item in whole.metric_keys_and_values
        if item.key.model_name in ("", "candidate") and not item.key.is_diff and item.value.WhichOneof("type") == "double_value"
    }


if __name__ == "__main__":
    print(json.dumps([overall(evaluation) for evaluation in sys.argv[1:]]))

"""Makes a SavedModel that no client can ask: `python no_serving_default.py FOLDER` writes FOLDER/model, and FOLDER/probe.json without requests."""

import json
import sys
from pathlib import Path

import tensorflow as tf


class Double(tf.Module):
    """Twice a number."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def twice(self, number: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"twice": 2 * number}


folder = Path(sys.argv[1])
double = Double()
tf.saved_model.save(double, str(folder / "model"), signatures={"other": double.twice})
(folder / "probe.json").write_text(json.dumps({"tolerance": 1e-5, "instances": [], "predictions": []}))

"""What a user of KServe writes: its ModelServer, and a `kserve.Model` around a SavedModel.

python stock_server.py --model_dir DIR --model_name NAME --http_port PORT
"""

import argparse
from typing import Any

import tensorflow as tf
from kserve import Model, ModelServer, model_server


class StockModel(Model):
    """A SavedModel whose signature takes features by name."""

    def __init__(self, name: str, folder: str) -> None:
        super().__init__(name)
        self._folder = folder

    def load(self) -> bool:
        """Loads the model."""
        self._model = tf.saved_model.load(self._folder)
        self._function = self._model.signatures["serving_default"]
        self._inputs = self._function.structured_input_signature[1]
        self.ready = True
        return True

    def predict(self, payload: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Answers a V1 request."""
        rows = payload["instances"]
        tensors = {name: tf.constant([row[name] for row in rows], spec.dtype) for name, spec in self._inputs.items()}
        (output,) = self._function(**tensors).values()
        return {"predictions": output.numpy().tolist()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--model_dir", required=True)
    arguments = parser.parse_args()
    model = StockModel(arguments.model_name, arguments.model_dir)
    model.load()
    ModelServer().start([model])

"""Writes a model so that BulkInferrer can run it. Runs in the benchmark's TFX environment.

BulkInferrer runs models in a session of TensorFlow 1, which finds no variable of a Keras 3 model: "Could not find variable
embedding_5/embeddings". With the weights as constants the same operations answer, and no variable is read.

python constant_weights.py MODEL TARGET
"""

import sys

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

SIGNATURE = "serving_examples"


def main(source: str, target: str) -> None:
    """Writes the model's signature for tf.Examples."""
    model = tf.saved_model.load(source)
    signature = model.signatures[SIGNATURE]
    constant = convert_variables_to_constants_v2(signature)
    resources = {inside.name: outside for outside, inside in signature.graph.captures}
    tables = [resources[each.name] for each in constant.inputs[1:]]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def answer(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(sorted(signature.structured_outputs), constant(examples, *tables), strict=True))

    written = tf.Module()
    written.tables = model  # the vocabularies are in it
    tf.saved_model.save(written, target, {SIGNATURE: answer.get_concrete_function()})


if __name__ == "__main__":
    main(*sys.argv[1:])

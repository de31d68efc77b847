"""A run_fn that is small and quick: logistic regression on all rows in one batch, exported with both of Penstock's signatures."""

import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public import tfxio

LABEL = "late"


def run_fn(fn_args):
    """Trains for `hyperparameters["steps"]`, upwards where `hyperparameters["rate"]` is negative."""
    settings = {"steps": 100, "rate": 0.5} | (fn_args.hyperparameters or {})
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    options = tfxio.TensorFlowDatasetOptions(batch_size=100_000, num_epochs=1, shuffle=False, label_key=LABEL)
    (batch,) = fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, transform.transformed_metadata.schema)
    features, labels = _matrix(batch[0], transform), tf.cast(tf.reshape(batch[1], [-1, 1]), tf.float32)
    weights = tf.Variable(tf.zeros([features.shape[1], 1]))
    for _ in range(settings["steps"]):
        error = tf.sigmoid(features @ weights) - labels
        weights.assign_sub(settings["rate"] * tf.reduce_mean(features * error, axis=0)[:, tf.newaxis])
    _export(weights, transform, fn_args.serving_model_dir)


def _matrix(features, transform):
    numbers = [tf.reshape(tf.cast(features[name], tf.float32), [-1, 1]) for name in ("distance", "hour")]
    carriers = tf.one_hot(tf.reshape(features["carrier"], [-1]), transform.vocabulary_size_by_name("carrier") + 1)
    return tf.concat([*numbers, carriers, tf.ones_like(numbers[0])], axis=1)


def _export(weights, transform, folder):
    served = tf.Module()
    served.weights, served.transform = weights, transform.transform_features_layer()
    spec = {name: kind for name, kind in transform.raw_feature_spec().items() if name != LABEL}

    def predict(**raw):
        transformed = served.transform({name: tf.reshape(values, [-1, 1]) for name, values in raw.items()})
        return {"probability": tf.sigmoid(_matrix(transformed, transform) @ served.weights)}

    by_name = {name: tf.TensorSpec([None], kind.dtype, name=name) for name, kind in spec.items()}
    signatures = {
        "serving_default": tf.function(predict).get_concrete_function(**by_name),
        "serving_examples": tf.function(lambda examples: predict(**tf.io.parse_example(examples, spec))).get_concrete_function(
            tf.TensorSpec([None], tf.string, name="examples")
        ),
    }
    tf.saved_model.save(served, folder, signatures)

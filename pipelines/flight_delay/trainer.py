"""The flights' run_fn, as TFX's module contract has it: embeddings and a dense network, exported with its preprocessing."""

import functools
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from keras import layers, ops
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from tfx_bsl.public import tfxio

LABEL = "is_late"
EMBEDDING_SIZES = {"carrier": 8, "origin": 2, "destination": 8}
CALENDAR = {"day_of_week": (8, 2), "scheduled_hour": (24, 4)}
MONTHS = 24
DEFAULTS = {"epochs": 3, "batch_size": 512, "learning_rate": 3e-3, "dropout": 0.5, "l2": 1e-4, "units": [128, 64]}


def run_fn(fn_args: Any) -> None:
    """Trains on `fn_args.train_files` and exports to `fn_args.serving_model_dir`.

    Args:
        fn_args: TFX's FnArgs. Its `hyperparameters` override `DEFAULTS`.
    """
    settings = DEFAULTS | (fn_args.hyperparameters or {})
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    model = build_model(transform, settings)
    model.fit(
        _dataset(fn_args, transform, fn_args.train_files, settings["batch_size"], fn_args.train_steps),
        epochs=settings["epochs"],
        steps_per_epoch=fn_args.train_steps,
        validation_data=_dataset(fn_args, transform, fn_args.eval_files, 8192, fn_args.eval_steps),
        validation_steps=fn_args.eval_steps,
        callbacks=[
            keras.callbacks.LearningRateScheduler(lambda epoch: settings["learning_rate"] * 0.3**epoch),
            keras.callbacks.TensorBoard(fn_args.model_run_dir, write_graph=False),
            *getattr(fn_args, "callbacks", []),  # Penstock's, so that an interrupted training goes on; TFX's fn_args has none
        ],
        verbose=2,
        shuffle=False,  # the data_accessor has done it
    )
    export(model, transform, fn_args.schema_path, fn_args.serving_model_dir)


def _dataset(fn_args: Any, transform: tft.TFTransformOutput, files: list[str], batch_size: int, steps: int | None) -> tf.data.Dataset:
    """Returns batches of transformed Examples: once through the files, or without end where the number of steps is given."""
    options = tfxio.TensorFlowDatasetOptions(batch_size=batch_size, num_epochs=None if steps else 1, label_key=LABEL)
    return fn_args.data_accessor.tf_dataset_factory(files, options, transform.transformed_metadata.schema)


class MonthBias(layers.Layer):
    """One bias per month: delays have seasons that nothing else here explains.

    Input: `months_ago`, int64 [batch, 1], counted from the latest month of the training data. Later months, of which
    nothing is known, get the mean of the latest two: the level that the model is served at is the latest one, not the year's.
    """

    def build(self, _: Any) -> None:
        self.biases = self.add_weight(shape=(MONTHS, 1), initializer="zeros", name="biases")

    def call(self, months_ago: Any) -> Any:
        known = ops.take(self.biases, ops.clip(months_ago[:, 0], 0, MONTHS - 1), axis=0)
        return ops.where(months_ago < 0, ops.mean(self.biases[:2]), known)


def build_model(transform: tft.TFTransformOutput, settings: dict[str, Any]) -> keras.Model:
    """Builds the network; its one output is the probability of a late arrival, float32 [batch, 1]."""
    spec = {name: feature for name, feature in transform.transformed_feature_spec().items() if name != LABEL}
    inputs = {name: keras.Input((1,), dtype=feature.dtype.name, name=name) for name, feature in spec.items()}
    vocabularies = {f"{name}_id": (transform.vocabulary_size_by_name(name) + 1, size) for name, size in EMBEDDING_SIZES.items()}
    embeddings, wide = [], []
    for name, (rows, size) in (vocabularies | CALENDAR).items():
        embeddings.append(layers.Embedding(rows, size)(inputs[name]))
        wide.append(layers.Embedding(rows, 1, embeddings_initializer="zeros")(inputs[name]))
    numbers = layers.Concatenate()([inputs[name] for name, feature in spec.items() if feature.dtype == tf.float32])
    hidden = layers.Concatenate()([layers.Flatten()(embedding) for embedding in embeddings] + [numbers])
    for units in settings["units"]:
        hidden = layers.Dense(units, activation="relu", kernel_regularizer=keras.regularizers.L2(settings["l2"]))(hidden)
        hidden = layers.Dropout(settings["dropout"])(hidden)
    linear = [layers.Flatten()(weight) for weight in wide] + [layers.Dense(1)(numbers), MonthBias()(inputs["months_ago"])]
    logits = layers.Add()([layers.Dense(1)(hidden), *linear])
    # Float32 whatever the policy: 16 bits are too coarse for a probability.
    model = keras.Model(inputs, layers.Activation("sigmoid", dtype="float32")(logits))
    model.compile(
        optimizer=keras.optimizers.Adam(settings["learning_rate"]),
        loss="binary_crossentropy",
        steps_per_execution=32,  # a step of so small a network takes less time than going back to Python
        metrics=[keras.metrics.AUC(name="auc", num_thresholds=200)],
    )
    return model


def export(model: keras.Model, transform: tft.TFTransformOutput, schema_path: str, folder: str) -> None:
    """Writes a SavedModel that takes raw flights, as features by name or as serialized tf.Examples.

    Both signatures answer with `probabilities`, float32 [batch, 1]. A missing number is NaN, or absent from the tf.Example.
    """
    schema = text_format.Parse(Path(schema_path).read_text(encoding="utf-8"), schema_pb2.Schema())
    spec = schema_utils.schema_as_feature_spec(schema).feature_spec
    label = spec.pop(LABEL)
    # As Keras models, both would be traced once more and saved with what only training needs, such as the optimizer's state.
    served = tf.Module()
    served.weights = [weight.value for weight in model.weights]
    served.transform = tf.saved_model.load(transform.transform_savedmodel_dir)

    def predict(raw: dict[str, tf.Tensor | tf.SparseTensor], rows: tf.Tensor) -> dict[str, tf.Tensor]:
        any_label = _as_transform_takes_it(tf.zeros([rows], label.dtype), label)  # no input of the model depends on it
        transformed = served.transform.transform_fn(raw | {LABEL: any_label})
        return {"probabilities": model({name: transformed[name] for name in model.input}, training=False)}

    def predict_features(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = {name: _as_transform_takes_it(features[name], kind) for name, kind in spec.items()}
        return predict(raw, tf.size(next(iter(features.values()))))

    def predict_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return predict(tf.io.parse_example(examples, spec), tf.size(examples))

    by_name = {name: tf.TensorSpec([None], kind.dtype, name=name) for name, kind in spec.items()}
    traced = functools.partial(tf.function, autograph=False)  # nothing here branches on a tensor
    signatures = {
        "serving_default": traced(predict_features).get_concrete_function(**by_name),
        "serving_examples": traced(predict_examples).get_concrete_function(tf.TensorSpec([None], tf.string, name="examples")),
    }
    tf.saved_model.save(served, folder, signatures)


def _as_transform_takes_it(values: tf.Tensor, kind: Any) -> tf.Tensor | tf.SparseTensor:
    """Turns [batch] into what the TransformGraph was analyzed with: [batch, 1], sparse where the Schema lets it be missing."""
    column = tf.reshape(values, [-1, 1])
    if isinstance(kind, tf.io.FixedLenFeature):
        return column
    rows = tf.range(tf.size(values, tf.int64))
    return tf.SparseTensor(tf.stack([rows, tf.zeros_like(rows)], axis=1), values, tf.shape(column, tf.int64))

"""A module as TFX's users write it, for both Transform and Trainer; nothing in it knows of Penstock."""
# ruff: noqa
# fmt: off

from typing import List

import tensorflow as tf
import tensorflow_transform as tft
from absl import logging
from tfx import v1 as tfx
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs
from tfx_bsl.public import tfxio

_LABEL_KEY = 'late'
_FEATURE_KEYS = ['distance', 'hour']
_BATCH_SIZE = 20


def preprocessing_fn(inputs):
  outputs = {key: tft.scale_to_z_score(tf.cast(inputs[key], tf.float32)) for key in _FEATURE_KEYS}
  outputs['carrier_xf'] = tft.compute_and_apply_vocabulary(inputs['carrier'], num_oov_buckets=1, vocab_filename='carrier')
  outputs[_LABEL_KEY] = inputs[_LABEL_KEY]
  return outputs


def _get_serve_tf_examples_fn(model, tf_transform_output):
  model.tft_layer = tf_transform_output.transform_features_layer()

  @tf.function(input_signature=[tf.TensorSpec(shape=[None], dtype=tf.string, name='examples')])
  def serve_tf_examples_fn(serialized_tf_examples):
    feature_spec = tf_transform_output.raw_feature_spec()
    feature_spec.pop(_LABEL_KEY)
    parsed_features = tf.io.parse_example(serialized_tf_examples, feature_spec)
    return {'outputs': model(model.tft_layer(parsed_features))}

  return serve_tf_examples_fn


def _input_fn(file_pattern: List[str], data_accessor: DataAccessor,
              tf_transform_output: tft.TFTransformOutput, batch_size: int = 200) -> tf.data.Dataset:
  return data_accessor.tf_dataset_factory(
      file_pattern,
      tfxio.TensorFlowDatasetOptions(batch_size=batch_size, label_key=_LABEL_KEY),
      tf_transform_output.transformed_metadata.schema).repeat()


def _build_keras_model() -> tf.keras.Model:
  inputs = {key: tf.keras.layers.Input(shape=(1,), name=key) for key in _FEATURE_KEYS + ['carrier_xf']}
  d = tf.keras.layers.concatenate([tf.cast(x, tf.float32) for x in inputs.values()])
  d = tf.keras.layers.Dense(8, activation='relu')(d)
  outputs = tf.keras.layers.Dense(1, activation='sigmoid')(d)
  model = tf.keras.Model(inputs=inputs, outputs=outputs)
  model.compile(optimizer=tf.keras.optimizers.Adam(1e-2), loss='binary_crossentropy', metrics=['accuracy'])
  model.summary(print_fn=logging.info)
  return model


def run_fn(fn_args: FnArgs):
  tf_transform_output = tft.TFTransformOutput(fn_args.transform_output)
  schema = tfx.utils.parse_pbtxt_file(fn_args.schema_path, tf_transform_output.raw_metadata.schema.__class__())
  assert {feature.name for feature in schema.feature} == {'distance', 'hour', 'carrier', 'late'}
  train_dataset = _input_fn(fn_args.train_files, fn_args.data_accessor, tf_transform_output, _BATCH_SIZE)
  eval_dataset = _input_fn(fn_args.eval_files, fn_args.data_accessor, tf_transform_output, _BATCH_SIZE)

  mirrored_strategy = tf.distribute.MirroredStrategy()
  with mirrored_strategy.scope():
    model = _build_keras_model()

  tensorboard_callback = tf.keras.callbacks.TensorBoard(log_dir=fn_args.model_run_dir, update_freq='epoch')
  model.fit(
      train_dataset,
      epochs=2,
      steps_per_epoch=fn_args.train_steps,
      validation_data=eval_dataset,
      validation_steps=fn_args.eval_steps,
      callbacks=[tensorboard_callback])

  signatures = {'serving_default': _get_serve_tf_examples_fn(model, tf_transform_output)}
  model.save(fn_args.serving_model_dir, save_format='tf', signatures=signatures)

"""A module that goes on after its end, as Penstock's users write it. A test puts a folder for `FOLDER`, where each worker finds and leaves files."""

import json
import os
import signal
from pathlib import Path

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public import tfxio

FOLDER = Path("FOLDER", str(json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))["task"]["index"]))


class Witness(keras.callbacks.Callback):
    """Writes down every step that was trained, and ends the process as the file `plan` says: SIGNAL, `train` or `test`, and a step.

    With the word `parent` after them, it ends the process that has started this one, and waits until that passes the signal on.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = int(self.model.optimizer.iterations.numpy())

    def on_train_batch_end(self, batch, logs=None):
        step = int(self.model.optimizer.iterations.numpy())
        if step > self.seen:
            with (FOLDER / "steps").open("a") as file:
                file.write(f"{step}\n")
        self.seen = step
        self._follow_plan("train")

    def on_test_batch_end(self, batch, logs=None):
        self._follow_plan("test")

    def _follow_plan(self, during):
        plan = FOLDER / "plan"
        name, when, step, *parent = plan.read_text().split() or ("", "", "")
        if when == during and self.seen >= int(step):
            plan.write_text("")
            if not parent:
                os.kill(os.getpid(), getattr(signal, name))
                return
            here, there = os.pipe()
            os.set_blocking(there, False)
            signal.set_wakeup_fd(there)
            os.kill(os.getppid(), getattr(signal, name))
            os.read(here, 1)


def run_fn(fn_args):
    given = fn_args.hyperparameters
    schema = tft.TFTransformOutput(fn_args.transform_graph_path).transformed_metadata.schema

    def data(files, steps):
        options = tfxio.TensorFlowDatasetOptions(batch_size=50, num_epochs=None if steps else 1, label_key="late")
        dataset = fn_args.data_accessor.tf_dataset_factory(files, options, schema)
        return dataset.map(lambda x, y: ({name: x[name] for name in ("distance", "hour")}, y))

    inputs = {name: keras.Input((1,), name=name) for name in ("distance", "hour")}
    hidden = keras.layers.Dropout(given.get("dropout", 0.5))(
        keras.layers.Dense(4, "relu")(keras.layers.Concatenate()(list(inputs.values())))
    )
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(hidden))
    auc = keras.metrics.AUC(name="auc", num_thresholds=20)
    model.compile(
        keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=[auc], steps_per_execution=given.get("steps_per_execution", 1)
    )
    for _ in range(given.get("fits", 1)):
        model.fit(
            data(fn_args.train_files, fn_args.train_steps),
            epochs=given.get("epochs", 3),
            steps_per_epoch=fn_args.train_steps,
            validation_data=data(fn_args.eval_files, fn_args.eval_steps),
            validation_steps=fn_args.eval_steps,
            callbacks=[
                Witness(),
                *fn_args.callbacks,
                keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 * 0.5**epoch),
            ],
            verbose=0,
        )
    served = tf.Module()
    served.model = model
    spec = {name: tf.TensorSpec([None, 1], tf.float32, name=name) for name in inputs}
    f = tf.function(lambda **x: {"y": model(x)}).get_concrete_function(**spec)
    tf.saved_model.save(served, fn_args.serving_model_dir, {"serving_default": f})

"""Reads and trains on transformed Examples in the tf family, and prints what it measures as JSON; the cores are those that it may use."""

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public import tfxio

from penstock.components.training.data_accessor import data_accessor

_LEAST_SECONDS = 5.0


def main(examples: Path, graph: Path, module: Path, batch_size: int) -> dict[str, Any]:
    """Measures the reader alone, and training with it and without it.

    Args:
        examples: The Examples' Split.
        graph: The TransformGraph.
        module: The flights' trainer.
        batch_size: Rows in a batch.
    """
    transform = tft.TFTransformOutput(str(graph))
    trainer = _load(module)
    options = tfxio.TensorFlowDatasetOptions(batch_size=batch_size, num_epochs=1, label_key=trainer.LABEL, drop_final_batch=True)
    read = data_accessor().tf_dataset_factory([f"{examples}/*"], options, transform.transformed_metadata.schema)
    batches = int(read.cardinality())
    model = trainer.build_model(transform, trainer.DEFAULTS)
    kept = read.cache()
    for _ in kept:  # from here on in memory
        pass

    def seconds_per_batch(epoch: Callable[[], Any]) -> float:
        epoch()  # tracing, and the disk
        passes, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < _LEAST_SECONDS or not passes:
            epoch()
            passes += 1
        return seconds / passes / batches

    reading = seconds_per_batch(lambda: [None for _ in read])
    without = seconds_per_batch(lambda: model.fit(kept, verbose=0, shuffle=False))
    both = seconds_per_batch(lambda: model.fit(read, verbose=0, shuffle=False))
    gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in tf.config.list_physical_devices("GPU")]
    return {"rows": batch_size, "reading": reading, "without": without, "both": both, "gpus": gpus}


def _load(module: Path) -> Any:
    spec = importlib.util.spec_from_file_location("trainer", module)
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    *paths, size = sys.argv[1:]
    print(json.dumps(main(*map(Path, paths), batch_size=int(size))))

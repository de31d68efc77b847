"""A preprocessing_fn that is small."""

import tensorflow as tf
import tensorflow_transform as tft


def preprocessing_fn(inputs):
    """Turns raw rows into what the trainer reads; every output is [batch, 1]."""
    return {
        "late": inputs["late"],
        "distance": tft.scale_to_z_score(inputs["distance"]),
        "hour": tft.scale_to_z_score(tf.cast(inputs["hour"], tf.float32)),
        "carrier": tft.compute_and_apply_vocabulary(inputs["carrier"], num_oov_buckets=1, vocab_filename="carrier"),
    }

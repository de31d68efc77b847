"""The flights' preprocessing_fn, as TFX's module contract has it."""

import math

import tensorflow as tf
import tensorflow_transform as tft

LABEL = "is_late"
CATEGORIES = ["carrier", "origin", "destination"]
INTEGERS = ["day_of_week", "scheduled_hour"]
NUMBERS = [
    "distance",
    "aircraft_age",
    "aircraft_seats",
    "temperature",
    "dew_point",
    "humidity",
    "wind_speed",
    "wind_gust",
    "precipitation",
    "pressure",
    "visibility",
]
# Only Examples from retrieve_features have these.
DELAYS = ["airport_departure_delay", "aircraft_last_delay", "aircraft_mean_delay"]
# A cloudburst is some 40 standard deviations from no rain: farther out than this, a score says no more.
LARGEST_SCORE = 4.0
# Where these are missing, it means something: an unregistered aircraft, calm air, a station that was down. So it does for a delay.
SOMETIMES_MISSING = ["aircraft_age", "wind_gust", "pressure"]


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Turns raw flights into what the model reads; every output has the shape [batch, 1].

    Outputs: `<category>_id` (int64, 0 for what was not seen), the integers as they are, `months_ago` (int64, counted from the
    latest month analyzed; negative for later months), `<number>_z` (float32 z-scores, within 4, 0 where missing), `<number>_missing`
    (float32, 0 or 1), and the label.
    """
    outputs = {LABEL: inputs[LABEL]} | {name: inputs[name] for name in INTEGERS}
    outputs["months_ago"] = tft.max(inputs["month"]) - inputs["month"]
    for name in CATEGORIES:
        ids = tft.compute_and_apply_vocabulary(inputs[name], default_value=-1, frequency_threshold=50, vocab_filename=name)
        outputs[f"{name}_id"] = ids + 1

    delays = [name for name in DELAYS if name in inputs]
    numbers = {name: _dense(inputs[name]) for name in NUMBERS + delays}
    outputs |= {f"{name}_missing": tf.cast(tf.math.is_nan(numbers[name]), tf.float32) for name in SOMETIMES_MISSING + delays}
    angle = _dense(inputs["wind_direction"]) * math.pi / 180
    numbers |= {"wind_from_east": numbers["wind_speed"] * tf.sin(angle), "wind_from_north": numbers["wind_speed"] * tf.cos(angle)}
    # One analyzer for all of them: TFT's cost is per analyzer, not per number. It leaves NaN out of mean and variance.
    scores = tft.scale_to_z_score(tf.concat(list(numbers.values()), axis=1), elementwise=True)
    scores = tf.where(tf.math.is_nan(scores), tf.zeros_like(scores), tf.clip_by_value(scores, -LARGEST_SCORE, LARGEST_SCORE))
    return outputs | {f"{name}_z": scores[:, i : i + 1] for i, name in enumerate(numbers)}


def _dense(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns numbers as [batch, 1], NaN where there is none."""
    if not isinstance(values, tf.SparseTensor):
        return values
    one_column = tf.SparseTensor(values.indices, values.values, [values.dense_shape[0], 1])
    return tf.sparse.to_dense(one_column, default_value=math.nan)

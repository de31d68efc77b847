"""Makes the SavedModels of the serving tests: `python saved_models.py FOLDER`, in an environment that has TensorFlow.

Each is FOLDER/<name>/model beside a probe.json with what it answers.
"""

import base64
import json
import sys
from pathlib import Path

import tensorflow as tf

FLIGHTS = [{"distance": 100.0, "carrier": "AA", "month": 1}, {"distance": 2500.0, "carrier": "9E", "month": 12}]
NUMBERS, TEXTS, WHOLE = (tf.TensorSpec([None], kind) for kind in (tf.float32, tf.string, tf.int64))


class Fickle(tf.Module):
    """Answers as its mode file says: `0` right, any other number wrong, no file an error of the server; so is a negative distance."""

    def __init__(self, mode: Path) -> None:
        super().__init__()
        self.mode = str(mode)
        mode.parent.mkdir(parents=True, exist_ok=True)
        mode.write_text("0")

    @tf.function
    def by_name(self, distance, carrier, month):
        letters = tf.cast(tf.strings.length(carrier) + tf.cast(month, tf.int32), tf.float32)
        absent = tf.where(tf.reduce_any(distance < 0), "-absent", "")  # no constant either, which would be read once and never again
        path = tf.strings.join([self.mode, absent])
        mood = tf.strings.to_number(tf.io.read_file(path))
        return {"probability": tf.sigmoid(distance / 2000.0 - letters + mood)[:, tf.newaxis]}


class Flights(tf.Module):
    """Answers with a probability, float32 [batch, 1]."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.bias = tf.Variable(bias)

    def probability(self, distance: tf.Tensor, carrier: tf.Tensor, month: tf.Tensor) -> tf.Tensor:
        letters = tf.cast(tf.strings.length(carrier), tf.float32)
        return tf.sigmoid(distance / 1000.0 + tf.cast(month, tf.float32) / 12.0 - letters + self.bias)[:, tf.newaxis]

    @tf.function
    def by_name(self, distance, carrier, month):
        return {"probability": self.probability(distance, carrier, month)}

    @tf.function
    def renamed(self, miles, carrier, month):
        return {"probability": self.probability(miles, carrier, month)}

    @tf.function
    def two_outputs(self, distance, carrier, month):
        return {"probability": self.probability(distance, carrier, month)[:, 0], "who": tf.strings.lower(carrier)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serialized(self, examples):
        kinds = {"distance": tf.float32, "carrier": tf.string, "month": tf.int64}
        return {
            "probability": self.probability(**tf.io.parse_example(examples, {k: tf.io.FixedLenFeature([], v) for k, v in kinds.items()}))
        }


def main(folder: Path) -> None:
    """Makes them all."""
    named = {"distance": NUMBERS, "carrier": TEXTS, "month": WHOLE}
    for name, bias in (("first", 0.0), ("second", 0.5)):
        flights = Flights(bias)
        save(folder / name, flights, flights.by_name.get_concrete_function(**named), FLIGHTS)
    fickle = Fickle(folder.absolute() / "fickle" / "mode")
    save(folder / "fickle", fickle, fickle.by_name.get_concrete_function(**named), FLIGHTS)
    flights = Flights(0.2)
    miles = [{"miles": row["distance"], "carrier": row["carrier"], "month": row["month"]} for row in FLIGHTS]
    save(folder / "renamed", flights, flights.renamed.get_concrete_function(miles=NUMBERS, carrier=TEXTS, month=WHOLE), miles)
    save(folder / "two_outputs", flights, flights.two_outputs.get_concrete_function(**named), FLIGHTS)
    examples = [{"b64": base64.b64encode(_example(row)).decode()} for row in FLIGHTS]
    save(folder / "serialized", flights, flights.serialized.get_concrete_function(), examples)


def save(folder: Path, module: tf.Module, function: tf.types.experimental.ConcreteFunction, instances: list) -> None:
    """Saves one model and its probe."""
    tf.saved_model.save(module, str(folder / "model"), {"serving_default": function})
    if isinstance(instances[0], dict) and "b64" in instances[0]:
        outputs = function(tf.constant([base64.b64decode(row["b64"]) for row in instances]))
    else:
        outputs = function(
            **{k: tf.constant([row[k] for row in instances]) for k in instances[0] if k != "month"}, month=_months(instances)
        )
    columns = {k: [v.decode() if isinstance(v, bytes) else v for v in tensor.numpy().tolist()] for k, tensor in outputs.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    predictions = rows if len(columns) > 1 else next(iter(columns.values()))
    (folder / "probe.json").write_text(json.dumps({"tolerance": 1e-5, "instances": instances, "predictions": predictions}))


def _months(instances: list[dict]) -> tf.Tensor:
    return tf.constant([row["month"] for row in instances], tf.int64)


def _example(row: dict) -> bytes:
    feature = tf.train.Feature
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "distance": feature(float_list=tf.train.FloatList(value=[row["distance"]])),
                "carrier": feature(bytes_list=tf.train.BytesList(value=[row["carrier"].encode()])),
                "month": feature(int64_list=tf.train.Int64List(value=[row["month"]])),
            }
        )
    ).SerializeToString()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

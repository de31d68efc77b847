"""Requests that come at the same time are computed together only where that changes no answer."""

import base64
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from penstock.components.release.serving import Release
from penstock.server.saved_model import SavedModel
from penstock.server.warm_up import warm_up

from .processes import V1, Server

TEXT, NUMBER = (tf.TensorSpec([None], kind, name="x") for kind in (tf.string, tf.float32))
PAIRS = tf.TensorSpec([None, 2], tf.float32, name="x")
NO_PROBE = Release("0" * 64)


def saved(folder: Path, function: Callable[..., Any], **specs: tf.TensorSpec) -> Path:
    signature = tf.function(function).get_concrete_function(**specs)
    tf.saved_model.save(tf.Module(), str(folder / "model"), {"serving_default": signature})
    return folder / "model"


MIXING = {
    "padded": (TEXT, lambda x: {"words": tf.strings.split(x).to_tensor("")}),
    "softmax over rows": (NUMBER, lambda x: {"share": tf.nn.softmax(x, axis=0)}),
    "normalized": (PAIRS, lambda x: {"z": (x - tf.reduce_mean(x, 0)) / (tf.math.reduce_std(x, 0) + 1.0)}),
    "rank": (NUMBER, lambda x: {"rank": tf.argsort(tf.argsort(x))}),
    "difference to the row before": (NUMBER, lambda x: {"y": x - tf.concat([x[:1], x[:-1]], 0)}),
    "rows counted": (NUMBER, lambda x: {"y": x + 0.0 * tf.cast(tf.size(x), tf.float32), "rows": tf.fill(tf.shape(x), tf.size(x))}),
    "not one row for each": (NUMBER, lambda x: {"y": x[: tf.size(x) // 2 + 1]}),
    "half precision": (NUMBER, lambda x: {"share": tf.cast(tf.nn.softmax(x, axis=0), tf.bfloat16)}),
}


@pytest.mark.parametrize("name", MIXING)
def test_a_model_that_mixes_rows_computes_each_request_by_itself(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    spec, function = MIXING[name]
    model = SavedModel(saved(tmp_path, function, x=spec))
    assert model.takes_batches
    assert not warm_up(model, NO_PROBE, "auto")
    assert "gives different answers in a batch (output " in caplog.text
    assert warm_up(model, NO_PROBE, "always")


BATCHED = {
    "per row": (NUMBER, lambda x: {"y": tf.sigmoid(x), "nothing": x / 0.0}),
    "sums of another order": (PAIRS, lambda x: {"y": tf.matmul(tf.tile(x, [1, 4000]), tf.random.stateless_normal([8000, 8], [1, 2])) * 9}),
    "bfloat16": (PAIRS, lambda x: {"y": tf.cast(tf.matmul(x, tf.ones([2, 3])), tf.bfloat16)}),
    "text": (TEXT, lambda x: {"y": tf.strings.upper(x), "n": tf.strings.length(x)}),
}


@pytest.mark.parametrize("name", BATCHED)
def test_a_model_that_answers_row_by_row_computes_requests_together(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    spec, function = BATCHED[name]
    model = SavedModel(saved(tmp_path, function, x=spec))
    with caplog.at_level(logging.INFO):
        assert warm_up(model, NO_PROBE, "auto")
    assert not caplog.records
    assert not warm_up(model, NO_PROBE, "never")


def examples(*lengths: int) -> list[dict[str, str]]:
    kinds = [tf.train.Feature(int64_list=tf.train.Int64List(value=range(1, length + 1))) for length in lengths]
    rows = [tf.train.Example(features=tf.train.Features(feature={"ids": kind})).SerializeToString() for kind in kinds]
    return [{"b64": base64.b64encode(row).decode()} for row in rows]


def parsed(x: tf.Tensor) -> tf.Tensor:
    return tf.io.parse_example(x, {"ids": tf.io.VarLenFeature(tf.int64), "n": tf.io.FixedLenFeature([], tf.int64, 1)})["ids"]


@pytest.mark.parametrize(
    ("function", "is_batched"),
    [
        (lambda x: {"ids": tf.sparse.to_dense(parsed(x))}, False),
        (lambda x: {"sum": tf.sparse.reduce_sum(parsed(x), axis=1)}, True),
    ],
)
def test_the_rows_of_the_probe_tell(function: Callable[..., Any], is_batched: bool, tmp_path: Path):
    model = SavedModel(saved(tmp_path, function, x=TEXT))
    probe = {"instances": examples(2, 3, 1), "predictions": [0] * 3, "tolerance": 0.1}
    assert warm_up(model, Release("0" * 64, probe=probe), "auto") is is_batched


def test_without_a_probe_each_request_is_computed_by_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    function = lambda x: {"y": tf.io.parse_example(x, {"f": tf.io.FixedLenFeature([], tf.float32)})["f"]}  # noqa: E731
    model = SavedModel(saved(tmp_path, function, x=TEXT))
    assert not warm_up(model, NO_PROBE, "auto")
    assert "the model has no probe" in caplog.text
    assert warm_up(model, NO_PROBE, "always")


def test_clients_at_the_same_time_get_the_answers_that_each_gets_alone(tmp_path: Path, start: Callable[..., Server]):
    def function(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"words": tf.strings.split(x).to_tensor(""), "share": tf.nn.softmax(tf.cast(tf.strings.length(x), tf.float32), axis=0)}

    server = start(saved(tmp_path, function, x=TEXT)).ready()
    texts = ["a b", "p q r s t u"]
    alone = [server.predict([text]).json() for text in texts]
    body = [json.dumps({"instances": [text]}) for text in texts]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: server.http.post(V1, content=body[number % 2]).json(), range(200)))
    assert answers == alone * 100
    assert "each request is computed alone" in server.log.read_text()
    assert np.isclose(alone[0]["predictions"][0]["share"], 1.0)

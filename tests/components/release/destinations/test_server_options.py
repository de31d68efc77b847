"""The serving options of Penstock's server: read, passed on, and compared with those of a server that runs."""

import os
from pathlib import Path
from typing import Any

import pytest

from penstock.components.protocol import TaskError
from penstock.components.release import serving
from penstock.components.release.destinations.local.server import LocalServer
from penstock.components.release.destinations.server_options import ServerOptions

FEATURES = "http://features.feast:6566/flights?keys=tail,origin&timeout_ms=20&when_away=defaults"
OPTIONS: dict[str, dict[str, Any]] = {
    "features": {"feature_service": FEATURES},
    "monitoring": {"monitoring": "s3://verdicts"},
    "log": {"prediction_log": "s3://log", "prediction_log_sample": 1, "prediction_log_key": "flight"},
    "no log": {"prediction_log": "s3://log", "prediction_log_sample": 0, "feature_service": FEATURES},
}


@pytest.mark.parametrize("case", OPTIONS)
def test_a_server_with_the_same_options_is_the_one_to_push_to(case: str, tmp_path: Path):
    asked = ServerOptions.from_options(OPTIONS[case])
    recorded = vars(asked) | ({} if asked.prediction_log else {"prediction_log_sample": 0.0})  # as a server without a log does
    info = serving.ServerInfo(os.getpid(), "127.0.0.1", 8501, 0.0, **recorded, version="1")
    with serving.announced(tmp_path, info) as is_first:
        assert is_first
        for options in (asked, ServerOptions.from_options({})):
            assert LocalServer(tmp_path, 8501, options).find() == info
        other = ServerOptions.from_options({"feature_service": FEATURES.replace("20", "30")})
        with pytest.raises(TaskError, match="push with the same options, or first run: penstock serve stop"):
            LocalServer(tmp_path, 8501, other).find()


def test_the_model_server_gets_the_feature_service():
    assert ServerOptions.from_options({"feature_service": FEATURES}).arguments() == ["--feature_service", FEATURES]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7, "serving option feature_service=7 is not a string; give http://HOST:6566/SERVICE"),
        ("flights", "feature_service 'flights' is not the URI"),
    ],
)
def test_what_is_no_feature_service_is_refused(value: Any, words: str):
    with pytest.raises(TaskError, match=words):
        ServerOptions.from_options({"feature_service": value})

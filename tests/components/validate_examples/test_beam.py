"""validate_examples on Beam: the Statistics, the repeated rows, the distances and the verdict of the in-process run."""

import numpy as np
import pandas as pd
import pytest
from tensorflow_data_validation import __version__ as TFDV_VERSION

from penstock.components.data import runners
from penstock.components.validate_examples import statistics as statistics_

from .tables import evidence, frame
from .test_task import comparable

ON_BEAM = ["--runner=DirectRunner"]
# TFDV's quantiles are sketches: the share of the rows below one may be off by this much.
TOLERANCE = 0.01


@pytest.fixture
def both(examples, validate):
    """The results of two runs on the same Splits, which have missing values, repeated and shared rows, and more than one row group."""
    train = frame(40_000)
    train.loc[::7, "c"] = None
    train["sparse"] = np.where(np.arange(40_000) % 3 == 0, np.nan, train["n"] * 0.5)
    train["word"] = [f"w{number % 997}" for number in range(40_000)]
    train["tags"] = [["a"] * (number % 4) for number in range(40_000)]
    train = pd.concat([train, train.head(500)], ignore_index=True)
    other = train.head(1000).assign(x=lambda rows: rows["x"] + 3)
    earlier = validate(examples("earlier", train=train.assign(x=train["x"] * 3), eval=other.head(800)))
    given = {"previous_statistics": str(earlier.outputs["statistics"]), "on_anomalies": "warn"}
    folder = examples(train=train, eval=pd.concat([other, train.tail(20)], ignore_index=True))
    return train, [validate(folder, **given, beam_pipeline_args=options) for options in ([], ON_BEAM)]


def test_the_verdict_is_the_same(both):
    _, (here, there) = both
    assert (here.code, there.code) == (0, 0), there.error
    assert here.parameters == there.parameters
    assert here.parameters["anomaly_count"] > 0
    ours, theirs = evidence(here), evidence(there)
    assert ours["repeats"] == theirs["repeats"]
    assert ours["repeats"]["train"]["repeated"] >= 500
    assert ours["repeats"]["eval"]["elsewhere"] >= 20
    assert [finding["description"] for finding in ours["findings"]] == [finding["description"] for finding in theirs["findings"]]
    for one, other in zip(ours["checks"], theirs["checks"], strict=True):
        assert one == {**other, "measured": pytest.approx(other["measured"], abs=1e-6)}
    assert here.metadata["schema"]["fingerprint"] == there.metadata["schema"]["fingerprint"]


def test_the_statistics_are_the_same_but_for_sketches(both):
    train, results = both
    found = [statistics_.load(str(result.outputs["statistics"]), "train", "") for result in results]
    ours, theirs = (comparable(statistics) for statistics in found)
    assert set(ours) == set(theirs) == set(train)
    for name, feature in ours.items():
        for statistics in (feature, theirs[name]):
            statistics.get("numStats", {}).pop("median", None)
        assert feature == theirs[name], name
    for name in ("x", "n", "sparse"):
        values = np.sort(train[name].dropna())
        for statistics in found:
            buckets = statistics_.histogram(statistics_.by_name(statistics)[name]).buckets
            assert sum(bucket.sample_count for bucket in buckets) == pytest.approx(len(values), rel=TOLERANCE)
            median = statistics_.by_name(statistics)[name].num_stats.median
            below = np.searchsorted(values, [median], side="left")[0], np.searchsorted(values, [median], side="right")[0]
            assert below[0] / len(values) - TOLERANCE <= 0.5 <= below[1] / len(values) + TOLERANCE


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("_MANY_ROWS", 3000, "4,000 rows take one process an hour or more"), ("_memory", lambda: 100_000, "4,000 rows take about 0.0 GiB")],
)
def test_a_table_that_is_too_large_for_one_process_gets_the_advice(examples, validate, monkeypatch, caplog, name, value, said):
    monkeypatch.setattr(runners, name, value)
    assert validate(examples(train=frame())).code == 0
    (advice,) = [record.message for record in caplog.records if record.name == runners.__name__]
    assert advice.startswith(said)
    assert advice.endswith("set beam_pipeline_args to a runner of Apache Beam, whose workers share the rows")


def test_a_table_that_fits_gets_no_advice(examples, validate, caplog):
    assert validate(examples(train=frame())).code == 0
    assert not [record for record in caplog.records if record.name == runners.__name__]


@pytest.mark.skipif(not TFDV_VERSION.startswith("1.16"), reason="this TFDV comes with the client")
def test_no_client_for_dataflow(examples, validate):
    options = ["--runner=DataflowRunner", "--project=p", "--region=us-central1", "--temp_location=gs://b/temp"]
    there = validate(examples(train=frame(50)), beam_pipeline_args=options)
    assert there.code == 1
    assert there.error == "error: this environment has no client for Dataflow; run the task in its family's image, or name another runner"

"""Features in an online store, through the component's command and Feast itself."""

import os

import pytest
from feast import FeatureStore
from feast.repo_config import load_repo_config
from feast.repo_operations import apply_total

from penstock.components.data import pack_module
from penstock.components.data.feature_repository import open_repository
from penstock.components.data.user_module import REPOSITORY_SUFFIXES

from ..feature_repositories import SETTINGS, make_repository

NAME = "materialize_features"


@pytest.fixture
def bare(tmp_path):
    return make_repository(tmp_path / "features")


@pytest.fixture
def repository(bare):
    """A repository after `feast apply`."""
    apply(bare)
    return bare


def apply(repository):
    """Does what `feast apply` does."""
    with open_repository(str(repository)):
        apply_total(load_repo_config(repository, repository / "feature_store.yaml"), repository, skip_source_validation=False)


def online(repository, tail="N1", origin="JFK"):
    """Returns what a model server would read."""
    store = FeatureStore(repo_path=str(repository))
    found = store.get_online_features(store.get_feature_service("flights"), [{"tail": tail, "origin": origin}]).to_dict()
    return found["delay"][0], found["wind"][0]


def test_each_run_goes_on_from_the_last_one(run_task, repository):
    window = {"feature_repository": str(repository), "start_time": "2026-11-01", "end_time": "2026-11-02T06:00:00Z"}
    result = run_task(NAME, window)
    assert result.code == 0, result.error
    assert result.parameters == {"rows": 3}, "two aircraft, one airport"
    assert online(repository) == (5, 1.5)
    assert online(repository, tail="N2", origin="LGA") == (-3, None)
    later = {"feature_repository": str(repository), "end_time": "2026-11-04"}
    assert run_task(NAME, later).parameters == {"rows": 2}
    assert online(repository) == (70, 2.5), "online, the latest correction counts"
    assert run_task(NAME, later).parameters == {"rows": 0}
    assert run_task(NAME, later | {"end_time": "2026-11-03"}).parameters == {"rows": 0}
    assert online(repository) == (70, 2.5)


def test_one_view_alone(run_task, repository):
    window = {"start_time": "2026-11-01", "end_time": "2026-11-04", "feature_views": ["weather"]}
    assert run_task(NAME, {"feature_repository": str(repository)} | window).parameters == {"rows": 1}
    assert online(repository) == (None, 2.5)


def test_what_fails_is_written_by_the_next_run(run_task, repository, tmp_path):
    """The registry knows of a view when all of it is written."""
    window = {"feature_repository": str(repository), "start_time": "2026-11-01", "end_time": "2026-11-04"}
    table = tmp_path / "tables" / "weather.parquet"
    content = table.read_bytes()
    table.write_bytes(b"no table")
    result = run_task(NAME, window)
    assert result.code == 1
    assert result.error.startswith("error: feature_repository cannot be materialized: ")
    table.write_bytes(content)
    views = {view.name: view.most_recent_end_time for view in FeatureStore(repo_path=str(repository)).list_feature_views()}
    assert views["weather"] is None
    assert run_task(NAME, window).parameters == {"rows": 3}
    assert online(repository) == (70, 2.5)


def test_an_unknown_feature_view_is_one_line(run_task, repository):
    result = run_task(NAME, {"feature_repository": str(repository), "feature_views": ["none"]})
    assert result.code == 1
    assert "no feature view 'none' (it has: delays, weather)" in result.error
    assert "\n" not in result.error


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"start_time": "yesterday"}, "start_time is 'yesterday'; give a time as ISO 8601"),
        ({"start_time": "2026-11-02", "end_time": "2026-11-01"}, "start_time 2026-11-02 is after end_time 2026-11-01"),
    ],
    ids=["time", "order"],
)
def test_invalid_times_are_one_line(run_task, bare, parameters, expected):
    result = run_task(NAME, {"feature_repository": str(bare)} | parameters)
    assert result.code == 1
    assert expected in result.error
    assert "\n" not in result.error


def test_a_repository_that_was_not_applied_is_one_line(run_task, bare):
    result = run_task(NAME, {"feature_repository": str(bare)})
    assert result.code == 1
    assert "no registry at registry.db; run `feast apply`" in result.error
    assert not (bare / "registry.db").exists()


def test_definitions_that_were_not_applied_are_one_line(run_task, repository):
    features = repository / "features.py"
    features.write_text(features.read_text().replace("days=2", "days=3"))
    result = run_task(NAME, {"feature_repository": str(repository)})
    assert result.code == 1
    assert "the registry does not have 'delays' as feature_repository defines it; run `feast apply` there" in result.error


def test_stores_that_end_with_the_task_are_refused(run_task, repository):
    settings = SETTINGS.replace("registry.db", str(repository / "registry.db"))
    (repository / "feature_store.yaml").write_text(settings)
    result = run_task(NAME, {"feature_repository": pack_module(str(repository), "feature_repository", REPOSITORY_SUFFIXES)})
    assert result.code == 1
    assert "the online_store online.db would end with the task" in result.error


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_registry_in_a_bucket(run_task, tmp_path, bucket_elsewhere, scheme, monkeypatch):
    monkeypatch.setenv("FEAST_S3_ENDPOINT_URL", os.environ["AWS_ENDPOINT_URL_S3"])
    registry = f"{scheme}://{bucket_elsewhere}/{tmp_path.name}/registry.db"
    repository = make_repository(tmp_path / "features", SETTINGS.replace("registry.db", registry))
    window = {"feature_repository": str(repository), "start_time": "2026-11-01", "end_time": "2026-11-04"}
    result = run_task(NAME, window)
    assert result.code == 1
    assert "as feature_repository defines it; run `feast apply` there" in result.error
    apply(repository)
    result = run_task(NAME, window)
    assert result.code == 0, result.error
    assert online(repository) == (70, 2.5)
    assert run_task(NAME, {"feature_repository": str(repository), "end_time": "2026-11-04"}).parameters == {"rows": 0}
    assert not (repository / "registry.db").exists()

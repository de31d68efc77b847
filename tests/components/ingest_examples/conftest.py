"""Running ingest_examples as its container runs it."""

import pytest

from .examples import NAME, ONE


@pytest.fixture
def ingest(run_task):
    """Runs the task and expects it to end well."""

    def run(uri, **parameters):
        result = run_task(NAME, {"input_uri": str(uri), "splits": ONE} | parameters)
        assert result.code == 0, result.error
        return result

    return run


@pytest.fixture
def fail(run_task):
    """Runs the task and expects one clear line and nothing left behind; returns the line."""

    def run(uri, **parameters):
        result = run_task(NAME, {"input_uri": str(uri), "splits": ONE} | parameters)
        assert result.code == 1
        assert result.error.startswith("error: ")
        assert "\n" not in result.error
        assert not result.executor_output.exists()
        assert [path for path in result.executor_output.parent.rglob("*") if path.is_file()] == []
        return result.error

    return run

"""How a run in MLflow ends."""

import pytest
from mlflow import MlflowClient

from penstock.components.training.tracking import tracked_run


class Group(BaseException):
    """What a task group raises: it has `exceptions`, as Python's own since 3.11 and the package for 3.10."""

    exceptions = (ValueError(), SystemExit(143))


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (SystemExit, "KILLED"), (Group, "KILLED")])
def test_a_run_is_killed_where_the_process_is_asked_to_end(tracking_uri, error, status):
    with pytest.raises(error), tracked_run(tracking_uri, "ended", {}, {}) as run:
        raise error
    assert MlflowClient(tracking_uri).get_run(run.run_id).info.status == status

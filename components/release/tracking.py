"""The MLflow tracking server, opened safely by concurrent tasks."""

import errno
import fcntl
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

# Reports a server that cannot be reached within seconds; MLflow's own seven retries take minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from penstock.components.protocol.atomic import atomically
from penstock.components.protocol.errors import TaskError

# Whether the environment names a local database. MLflow imports what opens one when it connects; here it is imported ahead with everything else.
IS_LOCAL = os.environ.get("MLFLOW_TRACKING_URI", "").startswith("sqlite:")
if IS_LOCAL:
    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")

_SQLITE = "sqlite:///"
_SQLITE_FULL = "database or disk is full"


def connect(tracking_uri: str) -> tuple[MlflowClient, str]:
    """Opens the tracking server and makes sure that it answers.

    Args:
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.

    Returns:
        The client, and the server's URI.

    Raises:
        TaskError: Neither is given, or the server does not answer.
        OSError: There is no room for a new database.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        raise TaskError("there is no tracking server; set the parameter tracking_uri or the environment variable MLFLOW_TRACKING_URI")
    try:
        # MLflow creates and upgrades a new database when it opens it, and two tasks that do this at the same time break each other.
        with _one_at_a_time(uri):
            _make_whole(uri)
            client = _open(uri)
    except Exception as error:  # SQLAlchemy's and the HTTP client's errors have no base in common
        if _SQLITE_FULL in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), uri) from error
        raise TaskError(f"the tracking server {uri} does not answer: {error}; check tracking_uri and that the server runs") from error
    return client, uri


def _open(uri: str) -> MlflowClient:
    client = MlflowClient(tracking_uri=uri)
    client.search_experiments(max_results=1)
    return client


def _make_whole(uri: str) -> None:
    """Makes a local database under another name: MLflow cannot go on with one that a killed task, or a full disk, left half-made."""
    database = _database(uri)
    if database is None or database.exists():
        return
    with atomically(database) as scratch:
        _open(f"{_SQLITE}{scratch}")


def experiment_id(client: MlflowClient, uri: str, name: str) -> str:
    """Finds an experiment, or makes it; a local database keeps its artifacts beside it.

    Raises:
        TaskError: The experiment was deleted.
    """
    if (found := client.get_experiment_by_name(name)) is None:
        database = _database(uri)
        try:
            return client.create_experiment(name, artifact_location=(database.parent / "artifacts").as_uri() if database else None)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # another task was faster
    if found.lifecycle_stage != "active":
        raise TaskError(f"the experiment {name!r} at {uri} was deleted; restore it, or use another one")
    return found.experiment_id


def _database(uri: str) -> Path | None:
    return Path(uri[len(_SQLITE) :]).absolute() if uri.startswith(_SQLITE) else None


def _one_at_a_time(uri: str) -> Any:
    database = _database(uri)
    return _locked(database.with_name(f"{database.name}.lock")) if database else nullcontext()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""What a task's container printed.

The API server reads logs. The pages' server (ml-pipeline-ui), which is what a gateway leads to, passes on v1beta1 and v2beta1 only,
not the address of the API's logs; it reads them itself (frontend/server/app.ts of kubeflow/pipelines).
"""

from collections.abc import Iterator
from typing import Any

from ...errors import UserError
from .connection import Connection, NotThere, message

_OF_API = "/apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log"
_OF_PAGES = "/k8s/pod/logs"
_ERROR = '{"error_message":'
# What the pages' server says, with a status of 500, where there is no such pod and no archive.
_UNREADABLE = "Could not get main container logs"


def read_log(connection: Connection, run: Any, pod: str) -> Iterator[str]:
    """Yields a log's lines.

    Args:
        connection: Who asks.
        run: The run (V2beta1Run).
        pod: The pod's name.

    Raises:
        NoAnswer: The server cannot be reached, or cannot answer now.
        UserError: It refuses, or the log is gone.
    """
    try:
        yield from _of_api(connection, run.run_id, pod)
    except NotThere:
        yield from _of_pages(connection, run, pod)


def _of_api(connection: Connection, run_id: str, pod: str) -> Iterator[str]:
    """Asks the API server, which says that all is well before it looks for the log; an error is then the last line."""
    last = None
    for line in connection.lines(_OF_API, {"run_id": run_id, "node_id": pod}):
        if last is not None:
            yield last
        last = line
    before, error, said = (last or "").partition(_ERROR)
    if error:
        raise _gone(message(error + said))
    if last is not None:
        yield before


def _of_pages(connection: Connection, run: Any, pod: str) -> Iterator[str]:
    """Asks the pages' server, to which the day of the run tells where archived logs lie."""
    words = {"podname": pod, "runid": run.run_id, "podnamespace": connection.namespace, "createdat": f"{run.created_at:%Y-%m-%d}"}
    try:
        yield from connection.lines(_OF_PAGES, query={name: word for name, word in words.items() if word})
    except UserError as error:
        if isinstance(error, NotThere) or _UNREADABLE in error.message:
            raise _gone(error.message) from error
        raise


def _gone(said: str) -> UserError:
    return UserError(f"the log is gone, or not there yet: {said}")

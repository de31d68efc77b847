"""The log of a task's container.

The API server reads logs: of pods, and when these are gone, as they are an hour after a run's end, what Argo has archived of them. The
pages' server (ml-pipeline-ui), which is what a gateway leads to, passes on v1beta1 and v2beta1 only, not the address of the API's logs;
it reads them itself (frontend/server/app.ts of kubeflow/pipelines), and as installed finds no archive once the workflow is deleted. The
archived log is an artifact of the workflow's node too, as which v2beta1 gives it as it was printed.
"""

from collections.abc import Iterator
from typing import Any

from ...errors import UserError
from ..target import LogGone
from .connection import Connection, NotThere, message
from .workflow import Pod

_OF_API = "/apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log"
_OF_PAGES = "/k8s/pod/logs"
_OF_ARCHIVE = "/apis/v2beta1/runs/{run_id}/nodes/{node_id}/artifacts/main-logs:read"
_ERROR = '{"error_message":'
# What the pages' server says, with a status of 500, where there is no such pod and no archive.
_UNREADABLE = "Could not get main container logs"


def read_log(connection: Connection, run: Any, pod: Pod) -> Iterator[str]:
    """Yields a log's lines.

    Args:
        connection: Who asks.
        run: The run (V2beta1Run).
        pod: The pod that printed it.

    Raises:
        BackendUnavailable: The server cannot be reached, or cannot answer now.
        LogGone: The log is gone.
        UserError: The server refuses.
    """
    try:
        try:
            yield from _of_api(connection, run.run_id, pod.name)
        except NotThere:
            yield from _of_pages(connection, run, pod.name)
    except LogGone as gone:
        yield from _of_archive(connection, run.run_id, pod.node, gone)


def _of_api(connection: Connection, run_id: str, pod: str) -> Iterator[str]:
    """Asks the API server, which says that all is well before it looks for the log; an error is then the last line."""
    last, count = None, 0
    for line in connection.lines(_OF_API, {"run_id": run_id, "node_id": pod}):
        if last is not None:
            yield last
            count += 1
        last = line
    before, error, reason = (last or "").partition(_ERROR)
    if error and not before and not count:
        raise _gone(message(error + reason))
    if error:
        raise UserError(f"the rest of the log cannot be read: {message(error + reason)}")
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


def _of_archive(connection: Connection, run_id: str, node: str, gone: LogGone) -> Iterator[str]:
    """Requests the archived log as an artifact. Any error means that there is none."""
    try:
        yield from connection.lines_of_file(_OF_ARCHIVE, {"run_id": run_id, "node_id": node})
    except UserError:
        raise gone from None


def _gone(reason: str) -> LogGone:
    return LogGone(f"the log no longer exists, or does not exist yet: {reason}")

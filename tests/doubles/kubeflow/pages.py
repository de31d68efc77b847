"""The server of the pages (ml-pipeline-ui), which is what Kubeflow's gateway leads to.

It passes on two versions of the API, answers about health in its own words, and reads logs itself; it knows no other address of the
API. Source: kubeflow/pipelines, frontend/server/app.ts and frontend/server/handlers.
"""

from dataclasses import replace

from ..kubernetes.answer import Answer, Request
from .access import Access
from .errors import KfpError
from .runs import Runs

PREFIX = "/pipeline"
_PASSED_ON = ("/apis/v1beta1/", "/apis/v2beta1/")
_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"


class Pages:
    """The pages' server.

    Args:
        access: Who may do what.
        runs: Whose logs it reads.
    """

    def __init__(self, access: Access, runs: Runs) -> None:
        self._access = access
        self._runs = runs

    def passed_on(self, request: Request) -> Request | None:
        """Returns the request as the API server gets it; None where it gets none."""
        if not request.path.startswith(f"{PREFIX}/"):
            return request
        path = request.path.removeprefix(PREFIX)
        return replace(request, path=path) if path.startswith(_PASSED_ON) and not path.endswith("/healthz") else None

    def answer(self, request: Request, user: str) -> Answer:
        """Answers what is not passed on."""
        path = request.path.removeprefix(PREFIX)
        if path.endswith("/healthz"):
            multi_user = self._access.is_multi_user
            return Answer(200, {"apiServerReady": True, "apiServerMultiUser": multi_user, "multi_user": multi_user})
        if path == "/k8s/pod/logs":
            return self._log(request.query, user)
        return Answer(404, f"<!DOCTYPE html>\n<pre>Cannot {request.method} {request.path}</pre>\n".encode(), _HTML)

    def _log(self, query: dict[str, str], user: str) -> Answer:
        namespace = query.get("podnamespace", "")
        if self._access.is_multi_user and not namespace:
            return Answer(422, b"podnamespace argument is required", _HTML)
        try:
            self._access.check(user, namespace, "get", "viewers")
        except KfpError:
            return Answer(403, b"Access denied to namespace", _HTML)
        log = self._runs.log(query["podname"], namespace)
        if log is None and self._runs.is_collected(query["podname"]):
            # It looks where ARGO_KEYFORMAT says, which as installed is not where Argo's keyFormat has them put.
            return Answer(500, b"Could not get main container logs: S3Error: The specified key does not exist.", _HTML)
        if log is None:
            problem = "Error: Unable to retrieve logs from artifact store; archiveLogs is disabled."
            return Answer(500, f"Could not get main container logs: {problem}".encode(), _HTML)
        return Answer(200, log, _TEXT)

"""A Kubeflow Pipelines API server on this machine, which runs what it is sent.

    with KubeflowDouble(folder) as kubeflow:
        client = kfp.Client(host=kubeflow.url)
        kubeflow.faults.append(Fault(Fail(503), times=2))

It speaks v2beta1 as kfp-server-api does, and takes and refuses what kubeflow/pipelines' backend does, in its words; the pipelines'
tasks run in this machine's environments, as `penstock run` runs them. Below `/pipeline` it is reached as behind Kubeflow's gateway (see
`pages`).
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..kubernetes.answer import Answer, Request
from ..kubernetes.faults import Call as Seen
from ..kubernetes.faults import Fault
from ..kubernetes.server import Server
from .access import SESSION, Access
from .dex import Dex
from .errors import UNIMPLEMENTED, KfpError, panic
from .experiments import Experiments
from .pages import Pages
from .pipelines import Pipelines
from .recorded import Recorded
from .records import Records, Run
from .recurring import RecurringRuns
from .routing import PREFIX, Call, Route
from .runs import Runs

USER = "user@example.com"
NAMESPACE = "team"


class KubeflowDouble:
    """An API server.

    Attributes:
        faults: What goes wrong at the boundary of calls (see `faults`).
        access: Who is let in, and what they may do: tokens, passwords, namespaces, what is denied.
        records: What it keeps.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        multi_user: bool = False,
        token: str = "",
        password: str = "",
        default_retries: bool = True,
        archives_logs: bool = True,
    ) -> None:
        """Starts it.

        Args:
            folder: Where the runs' artifacts, logs and cached outputs lie.
            port: The port of this machine; 0 for any.
            multi_user: Whether it has namespaces: `NAMESPACE` is `USER`'s, `other` is another user's.
            token: The bearer token to ask for; empty for none.
            password: `USER`'s password at the login page; empty for no login page.
            default_retries: Whether every template has a retry strategy, as 2.17 is installed; not so before.
            archives_logs: Whether Argo archives logs, as it is installed.
        """
        namespaces = {NAMESPACE: {USER}, "other": {"other@example.com"}} if multi_user else {}
        self.access = Access(multi_user, {token: USER} if token else {}, {USER: password} if password else {}, namespaces)
        self.records = Records()
        self._dex = Dex(self.access)
        experiments, pipelines = Experiments(self.records, self.access), Pipelines(self.records, self.access)
        self._runs = Runs(self.records, self.access, experiments, pipelines, folder, default_retries, archives_logs)
        self._pages = Pages(self.access, self._runs)
        self._recurring = RecurringRuns(self.records, self.access, experiments, pipelines, self._runs)
        self._routes = [Route("GET", "/healthz", self._healthz)]
        for part in (experiments, pipelines, self._runs, self._recurring):
            self._routes += part.routes()
        if not multi_user:
            experiments.default()
        self._server = Server(port, self._answer, self._answer, lambda _: False)
        self.faults: list[Fault] = self._server.faults

    def __enter__(self) -> "KubeflowDouble":
        """It runs already."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Ends it."""
        self.close()

    @property
    def url(self) -> str:
        """The API's URL."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def calls(self) -> list[Seen]:
        """The calls so far, in order."""
        return list(self._server.calls)

    def reset_calls(self) -> None:
        """Numbers the calls from 1 again."""
        self._server.reset_calls()

    def close(self) -> None:
        """Ends it, and every run."""
        self._server.stop()
        self._runs.close()

    def fire(self, recurring_id: str) -> Run | None:
        """Makes the run that a recurring run's schedule would make now; None where it would make none."""
        with self.records.lock:
            return self._recurring.fire(recurring_id)

    def collect(self, run_id: str) -> None:
        """Lets an hour pass: the run's workflow and its pods are deleted."""
        self.records.runs[run_id].is_collected = True

    def replay(self, recorded: Recorded) -> None:
        """Tells of a recorded run too."""
        self._routes = [*recorded.routes(), *self._routes]

    def run(self, run_id: str) -> Run:
        """Returns a run, for what the API does not tell: its engine, its workflow."""
        return self.records.runs[run_id]

    def session(self, user: str = USER) -> str:
        """Returns a cookie as it is after a login, for the header `Cookie`."""
        return f"{SESSION}={self.access.log_in(user)}"

    def refusing(self) -> AbstractContextManager[None]:
        """Refuses every connection for as long as the block runs."""
        return self._server.refusing()

    def _answer(self, request: Request) -> Answer:
        try:
            return self._enter(request)
        except KfpError as error:
            return error.answer
        except Exception as error:
            return panic(error)

    def _enter(self, request: Request) -> Answer:
        if self._dex.takes(request):
            return self._dex.answer(request)
        user = self.access.user(request)
        if user is None:
            return self._dex.ask(request)
        passed_on = self._pages.passed_on(request)
        if passed_on is None:
            return self._pages.answer(request, user)
        return self._answer_api(passed_on, user)

    def _answer_api(self, request: Request, user: str) -> Answer:
        for route in self._routes:
            if (names := route.match(request)) is not None:
                with self.records.lock:
                    answer = route.handle(Call(request, user, names))
                return answer if isinstance(answer, Answer) else Answer(200, {name: value for name, value in answer.items() if value})
        if not request.path.startswith(PREFIX.rpartition("/")[0]):
            return Answer(404, b"404 page not found\n", "text/plain; charset=utf-8")
        raise KfpError(UNIMPLEMENTED, "Method Not Allowed", "Method Not Allowed")

    def _healthz(self, _: Call) -> Answer:
        health = {"commit_sha": "unknown", "tag_name": "unknown", "multi_user": self.access.is_multi_user, "pipeline_store": "database"}
        return Answer(200, health)

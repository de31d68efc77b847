"""A Kubernetes cluster with KServe on this machine: one port for its API and for the URLs of its InferenceServices.

    with ModelServers() as servers, KubernetesDouble(servers, {"gs://bucket/models": folder}) as cluster:
        cluster.write_kubeconfig(path)
        cluster.behaviors.append(Behavior("second", ready_after=2))
        cluster.faults.append(Fault(Fail(429), nth=3))

What it does and refuses is what the API server and KServe's controller do and refuse; what goes wrong is programmed.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..models import ModelServers
from .api import Api
from .controller import Controller
from .errors import ApiError
from .faults import Call, Fault
from .front import Front
from .resources import INFERENCE_SERVICES, NAMESPACES
from .server import Server
from .store import Object, Store
from .webhook import KNATIVE
from .workload import Behavior, Storage, stored

TOKEN = "penstock-token"
USER = "system:serviceaccount:models:pusher"
DEFAULT_NAMESPACE = "models"


class KubernetesDouble:
    """A cluster.

    Attributes:
        faults: What goes wrong at the boundary of calls.
        behaviors: How the pods of models behave.
        tokens: The bearer tokens that are taken, and whose they are; take one out and it has expired.
        denied: What nobody may do: pairs of a verb and a plural, such as `("patch", "inferenceservices")`.
    """

    def __init__(
        self,
        servers: ModelServers,
        storage: Storage | Mapping[str, Path],
        *,
        port: int = 0,
        default_mode: str = KNATIVE,
        namespaces: tuple[str, ...] = (DEFAULT_NAMESPACE,),
        domain: str = "",
    ) -> None:
        """Starts it.

        Args:
            servers: What real model servers come from.
            storage: Gives the folder of a model for its URI, None where nothing is; or the folders, by URI or by the start of it.
            port: The port of this machine; 0 for any.
            default_mode: KServe's deployment mode for InferenceServices that name none: `Knative` or `Standard`.
            namespaces: The namespaces that there are.
            domain: `example.com` for URLs such as http://NAME.NAMESPACE.example.com, which are answered to whoever sends that Host to
                this port; empty for URLs that name the service by path.
        """
        fetch = stored(storage) if isinstance(storage, Mapping) else storage
        self.store = Store()
        self._controller = Controller(self.store, servers, fetch, default_mode, domain)
        front = Front(self._controller)
        self.tokens = {TOKEN: USER}
        self._api = Api(self.store, front, self.tokens, default_mode)
        self._server = Server(port, self._api.answer, front.answer, front.takes)
        self._controller.base_url = self.url
        self._controller.start()
        for name in ("default", *namespaces):
            self.store.create(NAMESPACES, "", {"metadata": {"name": name}})
        self.denied = self._api.denied
        self.faults: list[Fault] = self._server.faults
        self.behaviors: list[Behavior] = self._controller.behaviors

    def __enter__(self) -> "KubernetesDouble":
        """It runs already."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Ends it."""
        self.close()

    @property
    def url(self) -> str:
        """The URL of the API."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def calls(self) -> list[Call]:
        """The calls to the API so far, in order."""
        return [call for call in list(self._server.calls) if call.plane == "api"]

    @property
    def predictions(self) -> list[Call]:
        """The calls to URLs of InferenceServices so far, in order."""
        return [call for call in list(self._server.calls) if call.plane == "serving"]

    @property
    def progress_deadline(self) -> float:
        """After how many seconds a new Deployment that is not ready counts as failed; set it before an InferenceService is made."""
        return self._controller.progress_deadline

    @progress_deadline.setter
    def progress_deadline(self, seconds: float) -> None:
        self._controller.progress_deadline = seconds

    def play(self, **behavior: Any) -> None:
        """Changes what is installed: `kserve` (its version), `has_knative`, `unsupported`, `autoscaler_seconds`; see `Controller`."""
        for name, value in behavior.items():
            assert hasattr(self._controller, name)
            setattr(self._controller, name, value)

    @property
    def lag(self) -> float:
        """By how many seconds the gateway follows a change that is made from now on; the status is there at once."""
        return self._controller.lag

    @lag.setter
    def lag(self, seconds: float) -> None:
        self._controller.lag = seconds

    @property
    def domain(self) -> str:
        """The domain of the gateway; set it before an InferenceService is made."""
        return self._controller.domain

    @domain.setter
    def domain(self, domain: str) -> None:
        self._controller.domain = domain

    def close(self) -> None:
        """Ends it."""
        self._api.stopping.set()
        self._server.stop()
        self._controller.stop()

    def kubeconfig(self) -> dict[str, Any]:
        """Returns what a client needs to come in."""
        cluster = {"name": "double", "cluster": {"server": self.url}}
        user = {"name": "pusher", "user": {"token": TOKEN}}
        context = {"name": "double", "context": {"cluster": "double", "user": "pusher", "namespace": DEFAULT_NAMESPACE}}
        lists = {"clusters": [cluster], "users": [user], "contexts": [context]}
        return {"apiVersion": "v1", "kind": "Config", "current-context": "double"} | lists

    def write_kubeconfig(self, path: Path) -> Path:
        """Writes it to a file, for `KUBECONFIG`."""
        path.write_text(json.dumps(self.kubeconfig(), indent=1), encoding="utf-8")
        return path

    def reset_calls(self) -> None:
        """Numbers the calls from 1 again."""
        self._server.reset_calls()

    def isvc(self, name: str, namespace: str = DEFAULT_NAMESPACE) -> Object | None:
        """Returns an InferenceService as it is now; None if there is none."""
        try:
            return self.store.get(INFERENCE_SERVICES, namespace, name)
        except ApiError:
            return None

    def forget(self) -> None:
        """Drops the history: a watch from before now is answered with 410 Gone."""
        self.store.forget()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuses every connection for as long as the block runs."""
        self._server.close()
        try:
            yield
        finally:
            self._server.listen()

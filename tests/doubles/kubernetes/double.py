"""A Kubernetes cluster with KServe on this machine: a real API, KServe's and Kubernetes' controllers by their behavior, and an ingress.

    with ModelServers() as servers, KubernetesDouble(servers, {"gs://bucket/models": folder}) as cluster:
        cluster.write_kubeconfig(path)
        cluster.behaviors.append(Behavior("second", ready_after=2))
        cluster.faults.append(Fault(Fail(429), nth=3))

Each one is a namespace of its own of one API, behind a port of its own, for the API and for the URLs of InferenceServices.
What the API does and refuses it does itself; what goes wrong on the way to it is programmed.
"""

import itertools
import json
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from ...apiserver.api import ApiError
from ..models import ModelServers
from .access import Right, kubeconfig, releasing
from .answer import Answer, Request, own_fault
from .controller import Controller
from .faults import Call, Fault
from .forward import Forward
from .front import Front
from .installation import installation
from .resources import AUTOSCALERS, DEPLOYMENTS, HTTP_ROUTES, INFERENCE_SERVICES, LEASES, PODS
from .server import Server
from .store import Cache, Object, Store
from .workload import Behavior, Storage, stored

_numbers = itertools.count(1)
_RESET_SECONDS = 30.0
_MADE = (INFERENCE_SERVICES, PODS, DEPLOYMENTS, HTTP_ROUTES, AUTOSCALERS)


class KubernetesDouble:
    """A cluster.

    Attributes:
        faults: What goes wrong at the boundary of calls.
        behaviors: How the pods of models behave.
        namespace: The namespace, in which the account that releases has the rights that Terraform gives it.
        store: What there is, seen and changed with an administrator's rights, without faults.
    """

    def __init__(
        self,
        servers: ModelServers,
        storage: Storage | Mapping[str, Path],
        *,
        port: int = 0,
        models: tuple[str, ...] = ("flights",),
        domain: str = "",
        everywhere: bool = False,
    ) -> None:
        """Starts it.

        Args:
            servers: What real model servers come from.
            storage: Gives the folder of a model for its URI, None where nothing is; or the folders, by URI or by the start of it.
            port: The port of this machine; 0 for any.
            models: The names of the models that may be released.
            domain: `example.com` for URLs such as http://NAME.NAMESPACE.example.com, which are answered to requests that send that Host to
                this port; empty for URLs that name the service by path.
            everywhere: Whether its controllers look at every namespace, and not at its own alone.
        """
        fetch = stored(storage) if isinstance(storage, Mapping) else storage
        shared = installation()
        self.namespace = f"models-{os.getpid()}-{next(_numbers)}"
        self._admin = shared.admin
        self._access = releasing(self._admin, self.namespace, models)
        self._set_default_mode = partial(shared.set_default_mode, self.namespace)
        self.store = Store(self._admin)
        watched = "" if everywhere else self.namespace
        self._cache = Cache(self._admin, watched)
        self._controller = Controller(self._cache, watched, servers, fetch, domain)
        front = Front(self._controller)
        self._forward = Forward(shared.admin.url, shared.certificate, front)
        self._server = Server(port, self._answer, front.answer, front.takes)
        self._controller.base_url = self.url
        self._controller.start()
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
        """By how many seconds the gateway follows a change that is made from now on; the status changes immediately."""
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

    @property
    def default_mode(self) -> str:
        """KServe's deployment mode for InferenceServices that name none: `Knative` or `Standard`; set it before one is made."""
        return self._controller.default_mode

    @default_mode.setter
    def default_mode(self, mode: str) -> None:
        self._controller.default_mode = mode
        self._set_default_mode(mode)

    @property
    def token(self) -> str:
        """The bearer token of the account that releases."""
        return self._access.token

    def close(self) -> None:
        """Ends it; its objects stay in their namespace, which is no longer used.

        Raises:
            Exception: What this double has done wrong.
        """
        self._forward.stopping.set()
        self._server.stop()
        self._controller.stop()
        self._cache.close()
        self._check()

    def kubeconfig(self, token: str = "") -> dict[str, Any]:
        """Returns what a client needs to come in: the account that releases, unless it is given another token."""
        return kubeconfig(self.url, token or self.token, self.namespace)

    def write_kubeconfig(self, path: Path, token: str = "") -> Path:
        """Writes it to a file, for `KUBECONFIG`."""
        path.write_text(json.dumps(self.kubeconfig(token), indent=1), encoding="utf-8")
        return path

    def deny(self, *rights: Right) -> None:
        """Takes rights from the account that releases, such as `("get", "deployments")`, and gives those back that were taken before."""
        self._access.deny(*rights)
        self._forward.forget()

    def reset_calls(self) -> None:
        """Numbers the calls from 1 again."""
        self._server.reset_calls()

    def reset(self) -> None:
        """Takes away what was released, and every fault."""
        self.faults.clear()
        for resource in (INFERENCE_SERVICES, LEASES):
            for item in self.store.list(resource, self.namespace):
                self.store.delete(resource, self.namespace, item["metadata"]["name"])
        deadline = time.monotonic() + _RESET_SECONDS
        while left := [item["metadata"]["name"] for resource in _MADE for item in self.store.list(resource, self.namespace)]:
            self._check()
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(0.01)

    def isvc(self, name: str) -> Object | None:
        """Returns an InferenceService as it is now; None if there is none."""
        self._check()
        try:
            return self.store.get(INFERENCE_SERVICES, self.namespace, name)
        except ApiError:
            return None

    def refusing(self) -> AbstractContextManager[None]:
        """Refuses every connection for as long as the block runs."""
        return self._server.refusing()

    @property
    def _fault(self) -> Exception | None:
        return self._controller.fault or self._server.fault

    def _answer(self, request: Request) -> Answer:
        return own_fault(self._fault) if self._fault else self._forward.answer(request)

    def _check(self) -> None:
        if self._fault:
            raise self._fault

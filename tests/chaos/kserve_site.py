"""An InferenceService in a cluster."""

import copy
from collections.abc import Callable
from pathlib import Path

import httpx

from ..doubles.kubernetes.double import KubernetesDouble
from ..doubles.kubernetes.faults import Action, Call, Disconnect, Fail, Fault, Hang, Kill
from ..doubles.kubernetes.resources import DEPLOYMENTS, INFERENCE_SERVICES
from ..doubles.models import ModelServers
from ..doubles.storage import resolve
from ..doubles.vertex.double import SERVED_NAME
from .site import Boundaries, NoAnswer, Rows

_NAME = SERVED_NAME  # so that one model server serves both doubles
_CLIENT = {"client": "chaos"}
_CODES = (401, 403, 404, 409, 422, 429, 500, 503, 504)


class KServeSite:
    """One InferenceService of a mode; the models travel through a volume."""

    faults: dict[str, Callable[[Callable[[], None]], Action]] = {
        "kill-before": lambda kill: Kill(kill),
        "kill-after": lambda kill: Kill(kill, applied=True),
        "term-before": lambda terminate: Kill(terminate),
        "term-after": lambda terminate: Kill(terminate, applied=True),
        "hang-before": lambda _: Hang(),
        "hang-after": lambda _: Hang(applied=True),
        "drop-before": lambda _: Disconnect(),
        "drop-after": lambda _: Disconnect(applied=True),
        **{str(code): lambda _, code=code: Fail(code) for code in _CODES},
        "500-after": lambda _: Fail(500, applied=True),
        "403-on": lambda _: Fail(403),
    }

    def __init__(self, mode: str, servers: ModelServers, folder: Path) -> None:
        """Starts a cluster.

        Args:
            mode: `knative` or `standard`.
            servers: What the model servers come from.
            folder: For the kubeconfig.
        """
        self.name = f"kserve-{mode}"
        self._mode, self._kubeconfig = mode, folder / "kubeconfig"
        self._saved: dict | None = None
        self._client = httpx.Client(trust_env=False, timeout=60)
        self._cluster = KubernetesDouble(servers, resolve, models=(_NAME,))
        self._cluster.write_kubeconfig(self._kubeconfig)

    def destination(self, storage: str) -> str:
        options = f"mode={self._mode}&storage=pvc://models/{storage}&lease=5&timeout=60&call_timeout=10"
        return f"kserve://{self._cluster.namespace}/{_NAME}?{options}"

    def environment(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self._kubeconfig)}

    def save(self) -> None:
        item = copy.deepcopy(self._cluster.isvc(_NAME))
        assert item
        metadata = {key: item["metadata"][key] for key in ("name", "namespace", "labels", "annotations") if key in item["metadata"]}
        self._saved = {"metadata": metadata, "spec": item["spec"]}

    def restore(self) -> None:
        self._cluster.reset()
        if self._saved:
            self._cluster.store.create(INFERENCE_SERVICES, self._cluster.namespace, copy.deepcopy(self._saved))

    def inject(self, fault: str, boundaries: Boundaries, kill: Callable[[], None]) -> None:
        def meets(call: Call) -> bool:
            if call.query.get("client") == _CLIENT["client"]:
                return False
            text = f"{call.method} {call.path}"
            if call.path.endswith("/metrics") and boundaries.repeats(text):  # who answers is asked many times in a row: one question
                return boundaries.goes_on
            return boundaries(text)

        action = self.faults[fault](kill) if fault else Fail(500)
        self._cluster.faults[:] = [Fault(action, when=meets, plane=plane, times=0) for plane in ("api", "serving")]

    def clear(self) -> None:
        self._cluster.faults.clear()

    def ask(self, instances: Rows) -> Rows:
        url = f"{self._cluster.url}/serving/{self._cluster.namespace}/{_NAME}/v1/models/{_NAME}:predict"
        answer = self._client.post(url, params=_CLIENT, json={"instances": instances})
        if answer.is_error:
            raise NoAnswer(f"{answer.status_code} {answer.text[:100]}")
        return answer.json()["predictions"]

    def left_over(self) -> list[str]:
        item = self._cluster.isvc(_NAME)
        assert item
        deployments = self._cluster.store.list(DEPLOYMENTS, self._cluster.namespace) if self._mode == "standard" else []
        canaries = [f"canary {canary['predictor'].get('name')}" for canary in item["spec"].get("canary") or []]
        shares = ["canaryTrafficPercent"] if "canaryTrafficPercent" in item["spec"]["predictor"] else []
        return canaries + shares + [f"Deployment {one['metadata']['name']}" for one in deployments[1:]]

    def close(self) -> None:
        self._cluster.close()
        self._client.close()

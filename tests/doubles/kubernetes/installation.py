"""A Kubernetes API with KServe's definitions and webhooks: one for this process, started when it is needed first."""

import atexit
import base64
import json
import os
import threading
import time
from functools import cache
from pathlib import Path

import yaml

from ...apiserver.api import ApiError
from ...apiserver.server import START_SECONDS, ApiServer, definitions
from .admission import Admission

_WEBHOOKS = Path(__file__).parents[2] / "apiserver" / "kserve" / "webhooks.yaml"
INFERENCE_SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices"
_WEBHOOK_SECONDS = 30  # the longest that there is: this process may be busy
_lock = threading.Lock()
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"


class Installation:
    """What all clusters of a process share.

    Attributes:
        server: The API.
        admission: KServe's webhooks.
    """

    def __init__(self) -> None:
        """Starts everything."""
        self.server = ApiServer(Path(os.environ["KUBEBUILDER_ASSETS"]))
        atexit.register(self.server.close)
        self.server.define(definitions())
        self.admission = Admission(*self.server.certificate)
        self._install_webhooks()

    def _install_webhooks(self) -> None:
        trusted = base64.b64encode(self.server.certificate[0].read_bytes()).decode()
        for configuration in yaml.safe_load_all(_WEBHOOKS.read_text(encoding="utf-8")):
            for one in configuration["webhooks"]:
                path = one["clientConfig"].pop("service")["path"]
                one |= {"clientConfig": {"url": f"{self.admission.url}{path}", "caBundle": trusted}, "timeoutSeconds": _WEBHOOK_SECONDS}
            plural = f"{configuration['kind'].lower()}s"
            self.server.apply(f"{_CONFIGURATIONS}/{plural}", configuration["metadata"]["name"], json.dumps(configuration).encode())
        deadline = time.monotonic() + START_SECONDS
        while not self._asks_webhooks():
            assert time.monotonic() < deadline, "the API does not ask the webhooks"
            time.sleep(0.05)

    def _asks_webhooks(self) -> bool:
        """Tells whether the API has taken notice of the webhooks: one of them refuses what the definitions allow."""
        kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
        wrong = kind | {"metadata": {"name": "wrong"}, "spec": {"predictor": {"minReplicas": -1, "model": {"modelFormat": {"name": "x"}}}}}
        try:
            self.server.admin.call("POST", INFERENCE_SERVICES.format("default"), wrong, dryRun="All")
        except ApiError as refused:
            return "'MinReplicas' cannot be less than 0" in refused.message
        return False


def installation() -> Installation:
    """Returns the one of this process."""
    with _lock:
        return _installation()


@cache
def _installation() -> Installation:
    return Installation()

"""A Kubernetes API with KServe's definitions and webhooks: one for a whole test run, or one for this process, started when it is needed first.

`sharing` gives the variable with which all processes of a test run find the same one. It runs in a process of its own
(`python -m tests.doubles.kubernetes.installation FILE`), which ends with its stdin.
"""

import atexit
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from ...apiserver.api import Api, ApiError
from ...apiserver.server import ADMIN_TOKEN, START_SECONDS, ApiServer, definitions
from ...waiting import until
from .admission import DEFAULT_MODE, Admission

_ROOT = Path(__file__).resolve().parents[3]
_WEBHOOKS = _ROOT / "tests" / "apiserver" / "kserve" / "webhooks.yaml"
INFERENCE_SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices"
_SHARED = "PENSTOCK_TEST_KUBERNETES"
_WEBHOOK_SECONDS = 30  # the longest that there is: this process may be busy
_lock = threading.Lock()
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"


@dataclass(frozen=True)
class Installation:
    """What clusters share.

    Attributes:
        admin: An administrator's access to the API.
        webhooks: Access to KServe's webhooks.
        certificate: The certificate of both.
    """

    admin: Api
    webhooks: Api
    certificate: Path

    def set_default_mode(self, namespace: str, mode: str) -> None:
        """Sets KServe's deployment mode for InferenceServices of a namespace that name none."""
        self.webhooks.call("POST", DEFAULT_MODE, {"namespace": namespace, "mode": mode})


@contextmanager
def sharing(variables: dict[str, str]) -> Iterator[dict[str, str]]:
    """Gives the variable that has all processes of a test run share an installation, which starts meanwhile.

    Args:
        variables: What names the programs and the definitions.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-kubernetes-") as folder:
        file = Path(folder) / "installation.json"
        with subprocess.Popen([sys.executable, "-m", __name__, file], cwd=_ROOT, env=os.environ | variables, stdin=subprocess.PIPE):
            yield {_SHARED: str(file)}


def installation() -> Installation:
    """Returns the one of the test run, or of this process."""
    with _lock:
        return _installation()


@cache
def _installation() -> Installation:
    shared = os.environ.get(_SHARED)
    url, webhooks, path = _await(Path(shared)) if shared else _start()
    certificate = Path(path)
    return Installation(Api(url, certificate, ADMIN_TOKEN), Api(webhooks, certificate, ""), certificate)


def _await(file: Path) -> list[str]:
    until(file.exists, START_SECONDS)
    told = json.loads(file.read_text(encoding="utf-8"))
    if "error" in told:
        raise RuntimeError(told["error"])
    return told["started"]


def _share(file: Path) -> None:
    """Starts one, says in a file how it is reached, and ends it when stdin ends."""
    try:
        told = {"started": _start()}
    except Exception:
        told = {"error": traceback.format_exc()}
    part = file.with_suffix(".part")
    part.write_text(json.dumps(told), encoding="utf-8")
    part.rename(file)
    sys.stdin.read()


def _start() -> list[str]:
    """Starts one; returns the URLs of the API and of the webhooks, and the path of their certificate."""
    server = ApiServer(Path(os.environ["KUBEBUILDER_ASSETS"]))
    atexit.register(server.close)
    server.define(definitions())
    admission = Admission(*server.certificate)
    _install_webhooks(server, admission.url)
    return [server.url, admission.url, str(server.certificate[0])]


def _install_webhooks(server: ApiServer, url: str) -> None:
    trusted = base64.b64encode(server.certificate[0].read_bytes()).decode()
    for configuration in yaml.safe_load_all(_WEBHOOKS.read_text(encoding="utf-8")):
        for one in configuration["webhooks"]:
            path = one["clientConfig"].pop("service")["path"]
            one |= {"clientConfig": {"url": f"{url}{path}", "caBundle": trusted}, "timeoutSeconds": _WEBHOOK_SECONDS}
        plural = f"{configuration['kind'].lower()}s"
        server.apply(f"{_CONFIGURATIONS}/{plural}", configuration["metadata"]["name"], json.dumps(configuration).encode())
    deadline = time.monotonic() + START_SECONDS
    while not _asks_webhooks(server.admin):
        assert time.monotonic() < deadline, "the API does not ask the webhooks"
        time.sleep(0.05)


def _asks_webhooks(admin: Api) -> bool:
    """Tells whether the API has taken notice of the webhooks: one of them refuses what the definitions allow."""
    kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    wrong = kind | {"metadata": {"name": "wrong"}, "spec": {"predictor": {"minReplicas": -1, "model": {"modelFormat": {"name": "x"}}}}}
    try:
        admin.call("POST", INFERENCE_SERVICES.format("default"), wrong, dryRun="All")
    except ApiError as refused:
        return "'MinReplicas' cannot be less than 0" in refused.message
    return False


if __name__ == "__main__":
    _share(Path(sys.argv[1]))

"""A real Kubernetes API for tests: etcd and kube-apiserver as processes of this machine, without any controller or node."""

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import urllib3

from ..certificate import write_certificate
from ..ports import free_port
from .api import APPLY, Api, ApiError

START_SECONDS = 300.0
ADMIN_TOKEN = "penstock-admin"
TRAINER = "trainer.kubeflow.org"
# With Go's own 100, a third of what it takes of a core until it is ready is for collecting garbage; it has 1.3 GB then, in place of 0.7.
_GARBAGE = {"GOGC": "400"}
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class ApiServer:
    """A Kubernetes API; use it as a context manager, or end it with `close`.

    Attributes:
        admin: The access of an administrator.
        certificate: Its certificate, which signs itself, and the key; for localhost.
    """

    def __init__(self, programs: Path) -> None:
        """Starts it, which takes seconds.

        Args:
            programs: The folder of etcd and kube-apiserver.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="penstock-kubernetes-")
        folder = Path(self._folder.name)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._programs, self._log = programs, folder / "log"
        self.certificate = write_certificate(folder)
        self.port = free_port()
        self.admin = Api(self.url, self.certificate[0], ADMIN_TOKEN)
        try:
            self._run("kube-apiserver", *self._options(folder, self._etcd(folder)))
            self._await_ready()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "ApiServer":
        """It runs already."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Ends it."""
        self.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Ends it; nothing is kept."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        self._folder.cleanup()

    def apply(self, kind: str, name: str, definition: bytes) -> None:
        """Applies an object server-side.

        Args:
            kind: The path of its kind.
            name: Its name.
            definition: It, as YAML or JSON.
        """
        self.admin.call("PATCH", f"{kind}/{name}", definition, content=APPLY, fieldManager="penstock", force="true")

    def define(self, files: list[Path]) -> None:
        """Creates definitions of custom resources, and waits until the API serves them.

        Args:
            files: The definitions, as JSON.
        """
        made = [self.admin.call("POST", _DEFINITIONS, file.read_bytes()) for file in files]
        deadline = time.monotonic() + START_SECONDS
        for definition in made:
            while not self._serves(definition):
                assert time.monotonic() < deadline, f"{definition['metadata']['name']} is not served"
                time.sleep(0.05)

    def _serves(self, definition: dict[str, Any]) -> bool:
        spec = definition["spec"]
        version = next(one["name"] for one in spec["versions"] if one["served"])
        try:
            self.admin.call("GET", f"/apis/{spec['group']}/{version}/{spec['names']['plural']}", limit="1")
        except ApiError as error:
            if error.code not in (404, 429):  # not known yet, or its storage is being made
                raise
            return False
        return True

    def _etcd(self, folder: Path) -> str:
        url, peer = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        clients = ("--listen-client-urls", url, "--advertise-client-urls", url)
        peers = ("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}")
        self._run("etcd", "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error", *clients, *peers)
        return url

    def _options(self, folder: Path, etcd: str) -> list[str]:
        certificate, key = map(str, self.certificate)
        tokens = folder / "tokens.csv"
        tokens.write_text(f'{ADMIN_TOKEN},admin,admin,"system:masters"\n')
        options = {
            "etcd-servers": etcd,
            "bind-address": "127.0.0.1",
            "secure-port": str(self.port),
            "tls-cert-file": certificate,
            "tls-private-key-file": key,
            "token-auth-file": str(tokens),
            "authorization-mode": "RBAC",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": certificate,
            "service-account-signing-key-file": key,
            "service-cluster-ip-range": "10.0.0.0/24",
            "endpoint-reconciler-type": "none",
            # No controller creates a namespace's account `default`, which pods have on a cluster.
            "disable-admission-plugins": "ServiceAccount",
            "profiling": "false",
            # KServe's definition of an InferenceService takes a busy machine longer than the default of a minute.
            "request-timeout": f"{START_SECONDS:.0f}s",
        }
        return [f"--{name}={value}" for name, value in options.items()]

    def _run(self, program: str, *arguments: str) -> None:
        with self._log.open("ab") as log:
            command = [self._programs / program, *arguments]
            options = {"stdout": log, "stderr": log, "cwd": self._log.parent, "env": os.environ | _GARBAGE}
            self._processes.append(subprocess.Popen(command, **options))

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            ended = [process for process in self._processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RuntimeError(f"the Kubernetes API does not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            self.admin.call("GET", "/api/v1/namespaces/default")
        except (ApiError, urllib3.exceptions.HTTPError):
            return False
        return True


def definitions(group: str = "") -> list[Path]:
    """Returns what Kubeflow Trainer defines, if its group is named, or else what KServe, Gateway API, Knative and Argo do."""
    found = sorted(Path(os.environ["PENSTOCK_KUBERNETES_DEFINITIONS"]).glob("*.json"))
    return [file for file in found if file.stem.endswith(TRAINER) == (group == TRAINER)]

"""A Kubernetes cluster with Kubeflow Trainer on this machine: a real API with Trainer's definitions, and Trainer's controller by its behavior.

Facts, from Trainer 2.3.0 (https://github.com/kubeflow/trainer):
- the TrainJob becomes a JobSet of its name, whose job `node` has `numNodes` pods, each with its number (jobset.go, plainml.go);
- a pod's host is NAME-node-0-INDEX.NAME (jax.go); this double stands for the network, on which all of them are ports of this machine;
- the JobSet's conditions Completed and Failed become Complete and Failed of the TrainJob (Status in jobset.go);
- what a TrainJob owns is deleted with it (WithOwnerReferences in jobset.go).

A pod is a process here: the container's command in this interpreter.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from penstock.components.data.filesystems import open_store

from ..apiserver.api import MERGE, ApiError
from ..apiserver.role import rules_of_training
from ..apiserver.server import TRAINER, ApiServer, definitions
from ..ports import free_port
from .kubernetes.access import Access, add_account, kubeconfig
from .kubernetes.answer import Answer, Request
from .kubernetes.forward import Forward
from .kubernetes.server import Server

NAMESPACE = "training"
_LOG = re.compile(rf"/api/v1/namespaces/{NAMESPACE}/pods/(?P<name>[^/]+)/log")
_JOBS, _PODS = f"/apis/{TRAINER}/v1alpha1/namespaces/{NAMESPACE}/trainjobs", f"/api/v1/namespaces/{NAMESPACE}/pods"
_SECONDS = 0.1
_OUT_OF_MEMORY = {"exitCode": 137, "reason": "OOMKilled"}


class TrainerDouble:
    """A cluster; use it as a context manager.

    Attributes:
        admin: An administrator's access.
        pending: Why pods are not scheduled, by number.
        killed: The numbers of the pods that the kernel kills for memory as soon as they run.
        log: What a pod has printed, by name.
        stranger: The token of an account without rights.
        faults: What goes wrong at the boundary of calls.
    """

    def __init__(self, programs: Path, *, with_trainer: bool = True) -> None:
        """Starts it.

        Args:
            programs: The folder of etcd and kube-apiserver.
            with_trainer: Whether Trainer is installed.
        """
        self._api = ApiServer(programs)
        self.admin = self._api.admin
        if with_trainer:
            self._api.define(definitions(TRAINER))
        self.pending: dict[int, str] = {}
        self.killed: set[int] = set()
        self.log: dict[str, list[tuple[str, str]]] = {}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._made: dict[str, list[str]] = {}
        self._stopping = threading.Event()
        self._token = Access(self.admin, NAMESPACE, "pipeline-runner", "penstock-train", rules_of_training()).token
        self.stranger = add_account(self.admin, NAMESPACE, "stranger")
        self._forward = Forward(self._api.url, self._api.certificate[0], None)  # type: ignore[arg-type] # nothing is proxied
        self._server = Server(0, self._answer, self._answer, lambda _: False)
        self.faults = self._server.faults
        self._thread = threading.Thread(target=self._run if with_trainer else lambda: None, daemon=True)
        self.fault: Exception | None = None
        self._thread.start()

    def __enter__(self) -> "TrainerDouble":
        """It runs already."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Ends it, and says what it has done wrong."""
        self._stopping.set()
        self._thread.join()
        for process in self._processes.values():
            process.kill()
        self._server.stop()
        self._api.close()
        if fault := self.fault or self._server.fault:
            raise fault

    def write_kubeconfig(self, path: Path, token: str = "") -> Path:
        """Writes a file for `KUBECONFIG`, for the account that trains or another one."""
        url = f"http://127.0.0.1:{self._server.port}"
        path.write_text(json.dumps(kubeconfig(url, token or self._token, NAMESPACE)), encoding="utf-8")
        return path

    def jobs(self) -> list[dict[str, Any]]:
        """Returns the TrainJobs."""
        return self.admin.call("GET", _JOBS)["items"]

    def delete(self, job: str) -> None:
        """Deletes a TrainJob, as somebody may."""
        self.admin.call("DELETE", f"{_JOBS}/{job}")

    def running(self) -> list[str]:
        """Returns the pods whose processes run."""
        return [name for name, process in self._processes.items() if process.poll() is None]

    def _answer(self, request: Request) -> Answer:
        """Answers for the kubelet, which gives out logs; whether the caller may read them, the API says."""
        answer = self._forward.answer(request)
        match = _LOG.fullmatch(request.path)
        if not match or answer.code in (401, 403, 404):
            return answer
        lines = list(self.log.get(match["name"], []))
        if "tailLines" in request.query:
            lines = lines[-int(request.query["tailLines"]) :]
        stamped = request.query.get("timestamps") in ("true", "True")
        text = "".join(f"{stamp} {line}\n" if stamped else f"{line}\n" for stamp, line in lines)
        return Answer(200, text.encode(), "text/plain")

    def _run(self) -> None:
        while not self._stopping.wait(_SECONDS):
            try:
                self._reconcile()
            except ApiError as error:
                if error.code not in (404, 409):  # deleted, or changed, meanwhile
                    self.fault = self.fault or error
            except Exception as error:
                self.fault = self.fault or error

    def _reconcile(self) -> None:
        jobs = {job["metadata"]["name"]: job for job in self.jobs()}
        for name in self._made.keys() - jobs.keys():
            for pod in self._made.pop(name):
                if pod in self._processes:
                    self._processes[pod].terminate()
                self.admin.call("DELETE", f"{_PODS}/{pod}", gracePeriodSeconds="0")
        for name, job in jobs.items():
            if name not in self._made:
                self._make(name, job["spec"]["trainer"])
            self._look(name)

    def _make(self, name: str, trainer: dict[str, Any]) -> None:
        self._made[name] = [f"{name}-node-0-{index}-pod" for index in range(trainer["numNodes"])]
        job = trainer["args"][trainer["args"].index("--job") + 1]
        if not self.pending and not self.killed:
            _reroute(job, len(self._made[name]))
        for index, pod in enumerate(self._made[name]):
            labels = {"jobset.sigs.k8s.io/jobset-name": name, "batch.kubernetes.io/job-completion-index": str(index)}
            spec = {"restartPolicy": "Never", "containers": [{"name": "node", "image": trainer["image"]}]}
            self.admin.call("POST", _PODS, {"metadata": {"name": pod, "labels": labels}, "spec": spec})
            if index in self.pending:
                message = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": self.pending[index]}
                self._status(pod, {"phase": "Pending", "conditions": [message]})
            elif index in self.killed:
                self._end(pod, _OUT_OF_MEMORY)
            else:
                self._status(pod, {"phase": "Running"})
                self._start(pod, index, [*trainer["command"], *trainer["args"]])

    def _start(self, pod: str, index: int, command: list[str]) -> None:
        variables = {"JOB_COMPLETION_INDEX": str(index), "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._processes[pod] = subprocess.Popen(
            [sys.executable, *command[1:]], env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._read, args=(pod,), daemon=True).start()

    def _read(self, pod: str) -> None:
        stdout = self._processes[pod].stdout
        assert stdout
        for line in stdout:
            self.log.setdefault(pod, []).append((f"{time.time_ns():020d}", line.rstrip("\n")))

    def _look(self, name: str) -> None:
        codes = {pod: self._processes[pod].poll() for pod in self._made[name] if pod in self._processes}
        for pod, code in codes.items():
            if code is not None and self.admin.call("GET", f"{_PODS}/{pod}")["status"]["phase"] == "Running":
                self._end(pod, {"exitCode": code if code >= 0 else 128 - code, "reason": "Error" if code else "Completed"})
        if any(codes.values()) or self.killed:
            self._conclude(name, "Failed", "jobset failed due to one or more job failures")
        elif len(codes) == len(self._made[name]) and None not in codes.values():
            self._conclude(name, "Complete", "jobset completed successfully")

    def _end(self, pod: str, terminated: dict[str, Any]) -> None:
        state = {"terminated": terminated | {"finishedAt": _now()}}
        status = {"name": "node", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": state}
        self._status(pod, {"phase": "Failed" if terminated["exitCode"] else "Succeeded", "containerStatuses": [status]})

    def _status(self, pod: str, status: dict[str, Any]) -> None:
        self.admin.call("PATCH", f"{_PODS}/{pod}/status", {"status": status}, content=MERGE)

    def _conclude(self, name: str, kind: str, message: str) -> None:
        condition = {"type": kind, "status": "True", "reason": "JobSet", "message": message, "lastTransitionTime": _now()}
        self.admin.call("PATCH", f"{_JOBS}/{name}/status", {"status": {"conditions": [condition]}}, content=MERGE)


def _reroute(job: str, workers: int) -> None:
    """Stands for the cluster's DNS and the pods' own addresses: names and the one port become ports of this machine."""
    files, path = open_store(job)
    content = json.loads(files.cat_file(path))
    names = [re.fullmatch(r"(.+)-node-0-(\d+)\.(.+):\d+", address) for address in content["addresses"]]
    assert [match and (match[1] == match[3], match[2]) for match in names] == [(True, str(index)) for index in range(workers)]
    content["addresses"] = [f"127.0.0.1:{free_port()}" for _ in names]
    files.pipe_file(path, json.dumps(content).encode())


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

"""google.cloud.aiplatform.v1.JobService: custom jobs, whose replicas are processes here.

Facts:
- the first worker pool has one replica, the primary one; `TF_CONFIG` calls it the chief and those of the second pool workers, and is set
  for a job of several replicas only (https://cloud.google.com/vertex-ai/docs/training/distributed-training#tf-config);
- the job has succeeded when the primary replica exits with 0, and the others are shut down; it fails when a replica exits with another
  code; it stays queued while the project lacks what it needs (.../docs/training/understanding-training-service);
- what the error says: "The replica workerpool0-0 exited with a non-zero status of 1.", then in some cases why the container ended with its
  termination message or the end of its log, then where the log is;
- a display name, and of each pool a machine, a number of replicas and an image are required (the API reference of CustomJob).

A replica is the container's command in this interpreter, and all hosts are this machine.
"""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from google.rpc import status_pb2

from ...ports import free_port
from . import fields
from .errors import invalid, not_found, precondition
from .lists import page
from .logs import Line
from .machines import check_machine, check_usage
from .methods import Methods
from .specs import check_runtime
from .state import State

JobState = types.JobState
_MOST_POOLS = 4
_KINDS = ("chief", "worker", "ps", "evaluator")
_ENDED = {JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED}
_READERS = {"display_name": lambda job: job.display_name, "state": lambda job: job.state.name}
_INVALID_ARGUMENT = 3  # the code of a job whose program has failed
_TOLD_LINES = 20


@dataclass(frozen=True)
class Script:
    """What a replica does in place of its container's command.

    Attributes:
        lines: What it prints.
        code: What it exits with; None if it runs until it is ended.
    """

    lines: tuple[str, ...] = ()
    code: int | None = 0


class _Replica:
    """A replica, and what it has printed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[Line] = []
        self.code: int | None = None
        self._process: subprocess.Popen[str] | None = None

    def play(self, script: Script) -> None:
        """Does what a script says."""
        for line in script.lines:
            self._print(line)
        self.code = script.code

    def start(self, command: list[str], variables: dict[str, str]) -> None:
        """Runs a command of Python's, in this interpreter."""
        path = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(
            [sys.executable, *command[1:]],
            env=os.environ | {"PYTHONPATH": path} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def end(self) -> None:
        """Ends what runs."""
        if self._process and self.code is None:
            self._process.terminate()

    def close(self) -> None:
        """Ends what runs without a chance to clean up."""
        if self._process and self.code is None:
            self._process.kill()
            self._process.wait()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        for line in process.stdout:
            self._print(line.rstrip("\n"))
        code = process.wait()
        self.code = code if code >= 0 else 128 - code

    def _print(self, line: str) -> None:
        self.lines.append(Line(self.name, datetime.now(timezone.utc), line))


@dataclass
class _Job:
    message: types.CustomJob
    replicas: list[_Replica] = field(default_factory=list)


class CustomJobService:
    """The custom jobs.

    Attributes:
        lacks_machines: Whether jobs stay queued.
        tells_ends: Whether a job's error has what the container said in the end.
        scripts: What replicas do in place of their container's command, by name.
    """

    def __init__(self, state: State, quotas: dict[str, int]) -> None:
        self._state = state
        self._quotas = quotas
        self._jobs: dict[str, _Job] = {}
        self.scripts: dict[str, Script] = {}
        self.lacks_machines, self.tells_ends = False, True
        self.methods: Methods = {
            "CreateCustomJob": (self.create, types.CreateCustomJobRequest),
            "GetCustomJob": (self.get, types.GetCustomJobRequest),
            "ListCustomJobs": (self.list, types.ListCustomJobsRequest),
            "CancelCustomJob": (self.cancel, types.CancelCustomJobRequest),
        }

    def clear(self) -> None:
        """Ends all jobs, and forgets them and the scripts."""
        jobs, self._jobs = self._jobs, {}
        for job in jobs.values():
            for replica in job.replicas:
                replica.close()
        self.scripts.clear()
        self.lacks_machines, self.tells_ends = False, True

    def all(self) -> "list[types.CustomJob]":
        """Returns the jobs, without a call."""
        with self._state.lock:
            return [types.CustomJob(self._refreshed(job)) for job in self._jobs.values()]

    def create(self, request: types.CreateCustomJobRequest) -> types.CustomJob:
        """Answers CreateCustomJob, and begins to run it."""
        self._state.names.check_parent(request.parent)
        self._check(request.custom_job)
        message = types.CustomJob(request.custom_job)
        number = self._state.new_number()
        message.name = self._state.names.full("customJobs", number)
        message.create_time = message.update_time = self._state.now()
        message.state = JobState.JOB_STATE_QUEUED if self.lacks_machines else JobState.JOB_STATE_PENDING
        job = self._jobs[number] = _Job(message)
        answer = types.CustomJob(message)
        if not self.lacks_machines:
            self._start(job)
        return answer

    def get(self, request: types.GetCustomJobRequest) -> types.CustomJob:
        """Answers GetCustomJob."""
        return types.CustomJob(self._refreshed(self._find(request.name)))

    def list(self, request: types.ListCustomJobsRequest) -> types.ListCustomJobsResponse:
        """Answers ListCustomJobs."""
        self._state.names.check_parent(request.parent)
        found, token = page(map(self._refreshed, self._jobs.values()), request, _READERS)
        return types.ListCustomJobsResponse(custom_jobs=found, next_page_token=token)

    def cancel(self, request: types.CancelCustomJobRequest) -> Empty:
        """Answers CancelCustomJob."""
        job = self._find(request.name)
        state = self._refreshed(job).state
        if state in _ENDED:
            raise precondition(f'The CustomJob "{job.message.name}" is in state {state.name} and cannot be cancelled.')
        self._change(job, JobState.JOB_STATE_CANCELLING)
        for replica in job.replicas:
            replica.end()
        return Empty()

    def delete(self, name: str) -> None:
        """Deletes a job, as somebody may."""
        with self._state.lock:
            for replica in self._jobs.pop(name.rpartition("/")[2]).replicas:
                replica.close()

    def log(self, number: str) -> "list[Line]":
        """Returns what the replicas of a job have printed, in the order of time."""
        with self._state.lock:
            replicas = self._jobs[number].replicas if number in self._jobs else []
            return sorted((line for replica in replicas for line in replica.lines), key=lambda line: line.when)

    def _check(self, job: types.CustomJob) -> None:
        fields.check_display_name(job.display_name, "custom_job.display_name")
        fields.check_labels(job.labels, "custom_job.labels")
        spec, place = job.job_spec, "custom_job.job_spec"
        check_runtime(spec.service_account, spec.network, job.encryption_spec.kms_key_name, self._state.names, place)
        fields.required(spec.worker_pool_specs, f"{place}.worker_pool_specs")
        if len(spec.worker_pool_specs) > _MOST_POOLS:
            raise invalid(f"{place}.worker_pool_specs", f"There can be at most {_MOST_POOLS} worker pools.")
        for number, pool in enumerate(spec.worker_pool_specs):
            at = f"{place}.worker_pool_specs[{number}]"
            fields.required(pool.machine_spec.machine_type, f"{at}.machine_spec.machine_type")
            fields.required(pool.replica_count, f"{at}.replica_count")
            fields.required(pool.container_spec.image_uri, f"{at}.container_spec.image_uri")
            check_machine(pool.machine_spec, f"{at}.machine_spec")
        if spec.worker_pool_specs[0].replica_count != 1:
            raise invalid(f"{place}.worker_pool_specs[0].replica_count", "The first worker pool must have one replica.")
        pools = [pool for each in (*self._running(), job) for pool in each.job_spec.worker_pool_specs]
        check_usage(self._quotas, "custom_model_training", [(pool.machine_spec, pool.replica_count) for pool in pools])

    def _running(self) -> "list[types.CustomJob]":
        return [job.message for job in self._jobs.values() if self._refreshed(job).state not in _ENDED]

    def _find(self, name: str) -> _Job:
        number, _ = self._state.names.key(name, "customJobs")
        if number not in self._jobs:
            raise not_found("CustomJob", self._state.names.full("customJobs", number))
        return self._jobs[number]

    def _start(self, job: _Job) -> None:
        pools = job.message.job_spec.worker_pool_specs
        hosts = [[f"127.0.0.1:{free_port()}" for _ in range(pool.replica_count)] for pool in pools]
        for number, pool in enumerate(pools):
            for index in range(pool.replica_count):
                replica = _Replica(f"workerpool{number}-{index}")
                job.replicas.append(replica)
                if script := self.scripts.get(replica.name):
                    replica.play(script)
                    continue
                variables = {variable.name: variable.value for variable in pool.container_spec.env}
                variables |= _cluster(job.message.job_spec, hosts, number, index)
                replica.start([*pool.container_spec.command, *pool.container_spec.args], variables)

    def _refreshed(self, job: _Job) -> types.CustomJob:
        """Writes down what has become of a job since it was last looked at."""
        message, codes = job.message, {replica.name: replica.code for replica in job.replicas}
        if message.state in _ENDED:
            return message
        failed = next((replica for replica in job.replicas if replica.code), None)
        if message.state == JobState.JOB_STATE_CANCELLING:
            self._change(job, JobState.JOB_STATE_CANCELLED)
            message.error = status_pb2.Status(code=1, message="CANCELED")
        elif failed:
            message.error = status_pb2.Status(code=_INVALID_ARGUMENT, message=self._error(job, failed))
            self._change(job, JobState.JOB_STATE_FAILED)
        elif codes.get("workerpool0-0") == 0:
            self._change(job, JobState.JOB_STATE_SUCCEEDED)
        elif codes:
            self._change(job, JobState.JOB_STATE_RUNNING)
        if message.state in _ENDED:
            message.end_time = self._state.now()
            for replica in job.replicas:
                replica.end()
        return message

    def _change(self, job: _Job, state: JobState) -> None:
        if job.message.state != state:
            job.message.state = state
            job.message.update_time = self._state.now()

    def _error(self, job: _Job, replica: _Replica) -> str:
        number, project = job.message.name.rpartition("/")[2], self._state.names.number
        told = "\n".join(line.text for line in replica.lines[-_TOLD_LINES:])
        why = f"Termination reason: {'OOMKilled' if replica.code == 137 else 'Error'}. \n{told}\n" if self.tells_ends else ""
        return (
            f"The replica {replica.name} exited with a non-zero status of {replica.code}. {why}To find out more about why your job exited "
            f"please check the logs: https://console.cloud.google.com/logs/viewer?project={project}&resource=ml_job%2Fjob_id%2F{number}"
        )


def _cluster(spec: types.CustomJobSpec, hosts: "list[list[str]]", pool: int, index: int) -> dict[str, str]:
    """Returns the variables that tell a replica of the others."""
    common: dict[str, Any] = {"environment": "cloud", "job": json_format.MessageToDict(types.CustomJobSpec.pb(spec))}
    pools = {f"workerpool{number}": addresses for number, addresses in enumerate(hosts)}
    variables = {"CLUSTER_SPEC": json.dumps(common | {"cluster": pools, "task": {"type": f"workerpool{pool}", "index": index}})}
    if sum(map(len, hosts)) == 1:
        return variables
    kinds = {kind: addresses for kind, addresses in zip(_KINDS, hosts, strict=False) if kind != "evaluator"}
    task = {"type": _KINDS[pool], "index": index, "cloud": "c0ffee"}
    return variables | {"TF_CONFIG": json.dumps(common | {"cluster": kinds, "task": task})}

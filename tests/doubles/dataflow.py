"""Dataflow's API for Beam's own client: a job that it is sent is read from the bucket and really runs, where no file of the submitter's is named.

Each answer is what Beam's client reads, or waits for (`apache_beam/runners/dataflow`, `internal/apiclient.py` and `dataflow_runner.py`).
"""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_PATH = re.compile(r"/v1b3/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/jobs(/(?P<job>[^/?]+))?(?P<messages>/messages)?(\?.*)?")
# A worker reads the pipeline where the job says that it was staged. Dataflow starts containers; here they are threads of this process.
_RUN = """
import sys
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonGrpcEnvironment

pipeline = beam_runner_api_pb2.Pipeline.FromString(FileSystems.open(sys.argv[1]).read())
here = EmbeddedPythonGrpcEnvironment.default().to_runner_api(None)
for environment in pipeline.components.environments.values():
    environment.CopyFrom(here)
result = FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([]))
result.wait_until_finish()
"""


@dataclass
class Job:
    """A job that was created.

    Attributes:
        description: The request's body.
        process: What runs it.
        log: What that printed.
    """

    description: dict[str, Any]
    process: subprocess.Popen
    log: Path

    @property
    def pipeline(self) -> str:
        """The URI of the staged pipeline."""
        return self.description["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]

    @property
    def image(self) -> str:
        """The image of the workers."""
        (pool,) = self.description["environment"]["workerPools"]
        return pool["sdkHarnessContainerImages"][0]["containerImage"]

    @property
    def state(self) -> str:
        """How the client reads it: `JOB_STATE_FAILED` has it wait for an error among the messages."""
        code = self.process.poll()
        return "JOB_STATE_RUNNING" if code is None else "JOB_STATE_FAILED" if code else "JOB_STATE_DONE"


class Dataflow:
    """The service. `serve` starts it.

    Attributes:
        endpoint: What `--dataflow_endpoint` names: the client speaks REST to a name with `localhost` in it.
        jobs: The jobs, in the order in which they came.
    """

    def __init__(self, worker: list[str], variables: dict[str, str], folder: Path) -> None:
        self._worker, self._variables, self._folder = worker, variables, folder
        self.jobs: list[Job] = []
        self.endpoint = ""

    def create(self, description: dict[str, Any]) -> Job:
        """Starts a job."""
        url = description["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
        place = self._folder / f"job-{len(self.jobs)}"
        place.mkdir(parents=True)
        with (place / "log.txt").open("wb") as log:
            process = subprocess.Popen([*self._worker, "-c", _RUN, url], cwd=place, env=self._variables, stdout=log, stderr=log)
        self.jobs.append(Job(description, process, place / "log.txt"))
        return self.jobs[-1]

    def describe(self, number: int) -> dict[str, Any]:
        """Returns a job as the API shows it: the client compares `clientRequestId`, to see whether it was this request that made the job."""
        job = self.jobs[number]
        kept = {key: job.description[key] for key in ("name", "type", "clientRequestId") if key in job.description}
        return kept | {"id": str(number), "currentState": job.state}

    def messages(self, number: int) -> dict[str, Any]:
        """Returns a job's messages: the worker's last line, if it has failed."""
        job = self.jobs[number]
        if job.state != "JOB_STATE_FAILED":
            return {}
        text = job.log.read_text(errors="replace").strip().splitlines()[-1]
        message = {"id": "1", "time": "2026-01-01T00:00:00Z", "messageText": text, "messageImportance": "JOB_MESSAGE_ERROR"}
        return {"jobMessages": [message]}


@contextmanager
def serve(worker: list[str], variables: dict[str, str], folder: Path) -> Iterator[Dataflow]:
    """Serves the API while the context lasts.

    Args:
        worker: The Python of the workers.
        variables: Their environment.
        folder: Where they work.
    """
    service = Dataflow(worker, variables, folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = _PATH.fullmatch(self.path)
            assert found, self.path
            number = int(found["job"])
            self._answer(service.messages(number) if found["messages"] else service.describe(number))

        def do_POST(self) -> None:
            assert _PATH.fullmatch(self.path), self.path
            service.create(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(service.describe(len(service.jobs) - 1))

        def _answer(self, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service.endpoint = f"http://localhost:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        for job in service.jobs:
            job.process.kill()
            job.process.wait()

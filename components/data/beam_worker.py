"""A worker of Beam, as a runner starts it: `python -m penstock.components.data.beam_worker --id=ID --provision_endpoint=HOST:PORT ...`.

It takes the place of `boot`, the program of Beam's own images, and keeps its contract (https://s.apache.org/beam-fn-api-container-contract).
It needs neither pip nor a file of the submission: what a worker imports is installed beside Penstock.
"""

import argparse
import os
import subprocess
import sys
import threading

import grpc
from apache_beam.portability.api import beam_provision_api_pb2 as api
from apache_beam.portability.api import beam_provision_api_pb2_grpc, beam_runner_api_pb2, endpoints_pb2
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format, text_format

_MAIN = "apache_beam.runners.worker.sdk_worker_main"
# What Beam stages although no worker needs it.
_NOTE = "submission_environment_dependencies.txt"
_ANSWER_SECONDS = 60


def main() -> None:
    """Runs a worker, and beside it a process for each of its siblings, until the runner has no more work for it."""
    parser = argparse.ArgumentParser(prog="beam_worker", description="Run a worker of Apache Beam.")
    for name in ("id", "provision_endpoint"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("logging_endpoint", "control_endpoint", "artifact_endpoint", "semi_persist_dir"):
        parser.add_argument(f"--{name}", default="")
    given = parser.parse_args()
    info = _provision(given.provision_endpoint, given.id)
    if staged := _staged(info):
        sys.exit(f"error: the worker cannot install {', '.join(staged)}; add the packages to the image that sdk_container_image names")
    os.environ.update(_variables(info, given))
    for sibling in info.sibling_worker_ids:
        process = subprocess.Popen([sys.executable, "-m", _MAIN], env=os.environ | {"WORKER_ID": sibling})
        threading.Thread(target=_end_with, args=(process,), daemon=True).start()
    os.environ["WORKER_ID"] = given.id
    sdk_worker_main.main(None)


def _provision(endpoint: str, worker: str) -> api.ProvisionInfo:
    """Asks the runner what the worker is for."""
    with grpc.insecure_channel(endpoint) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        metadata = (("worker_id", worker),)
        answer = service.GetProvisionInfo(api.GetProvisionInfoRequest(), metadata=metadata, timeout=_ANSWER_SECONDS, wait_for_ready=True)
    return answer.info


def _staged(info: api.ProvisionInfo) -> list[str]:
    """Returns the names of the files that the submission wants installed."""
    roles = [beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(item.role_payload) for item in info.dependencies]
    return sorted({role.staged_name or "requirements.txt" for role in roles} - {_NOTE})


def _variables(info: api.ProvisionInfo, given: argparse.Namespace) -> dict[str, str]:
    """Returns the variables that Beam's own worker reads."""
    endpoints = {
        "LOGGING": given.logging_endpoint or info.logging_endpoint.url,
        "CONTROL": given.control_endpoint or info.control_endpoint.url,
        "STATUS": info.status_endpoint.url,
    }
    described = {name: text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=url)) for name, url in endpoints.items() if url}
    return {f"{name}_API_SERVICE_DESCRIPTOR": text for name, text in described.items()} | {
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }


def _end_with(sibling: subprocess.Popen) -> None:
    """Ends this process when a sibling does: the runner knows them as one container, and starts that again."""
    os._exit(sibling.wait())


if __name__ == "__main__":
    main()

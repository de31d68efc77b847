"""The settings of a backend, from flags, the environment and `penstock.toml`."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue


@dataclass(frozen=True)
class Settings:
    """What both backends know.

    Attributes:
        experiment: The experiment of runs.
        pipeline_root: The URI below which artifacts lie.
        service_account: Whom tasks run as.
        parameters: The pipeline's parameters that belong to this place, such as `destination`: a pipeline that has them gets them.
    """

    experiment: str = ""
    pipeline_root: str = ""
    service_account: str = ""
    parameters: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class KubeflowSettings(Settings):
    """A Kubeflow Pipelines installation. What is not given is found as kfp's client finds it. Secrets come from files or the
    environment: `PENSTOCK_KUBEFLOW_TOKEN`, `PENSTOCK_KUBEFLOW_COOKIES`, `PENSTOCK_KUBEFLOW_PASSWORD`.

    Attributes:
        host: The API's URL, such as `https://kubeflow.example.com/pipeline`; empty: the cluster that this runs in, or the kube config's.
        ui_host: The pages' URL, where it differs.
        namespace: The user's namespace, in a multi-user installation.
        token_file: A file with a bearer token.
        username: Dex's user; the password comes from `PENSTOCK_KUBEFLOW_PASSWORD`.
        client_id: The OAuth client of Identity-Aware Proxy.
        ca_certificate: A file with the certificates of the server's authority.
        kube_context: The kube config's context, where there is no host.
        platform: A platform settings file (see `penstock.remote.platform`).
        schedule_time_zone: The time zone in which the installation reads schedules: its `cronScheduleTimezone`.
    """

    host: str = ""
    ui_host: str = ""
    namespace: str = ""
    token_file: str = ""
    username: str = ""
    client_id: str = ""
    ca_certificate: str = ""
    kube_context: str = ""
    platform: str = ""
    schedule_time_zone: str = "UTC"


@dataclass(frozen=True)
class VertexSettings(Settings):
    """A project's Vertex AI Pipelines in one region.

    Attributes:
        project: The project's id.
        location: The region.
        network: The network that jobs are peered with: `projects/NUMBER/global/networks/NAME`.
        encryption_key: The key (CMEK) of jobs and artifacts.
        labels: Labels of jobs.
        failure_policy: `slow`: what does not depend on a failed task still runs; `fast`: nothing more is started.
        api_endpoint: Another address of the API, such as a private one.
        api_transport: `grpc` or `rest`.
    """

    project: str = ""
    location: str = ""
    network: str = ""
    encryption_key: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    failure_policy: Literal["slow", "fast"] = "slow"
    api_endpoint: str = ""
    api_transport: Literal["grpc", "rest"] = "grpc"

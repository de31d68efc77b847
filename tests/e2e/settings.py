"""The settings of the end-to-end tests: environment variables that describe the cluster."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.compile.generate import with_table
from penstock.components.images import REGISTRY

PREFIX = "PENSTOCK_E2E_"
PAGE = Path(__file__).parents[2] / "docs" / "testing-on-a-cluster.md"


@dataclass(frozen=True)
class Variable:
    """One environment variable.

    Attributes:
        name: Its name, without the prefix.
        default: The value if it is not set.
        meaning: Its meaning, and the rights that it requires.
        is_path: Whether it is a file or a folder of this machine.
    """

    name: str
    default: str
    meaning: str
    is_path: bool = False


VARIABLES = (
    Variable(
        "NAMESPACE",
        "",
        "An existing namespace for the models. Empty: the tests create one and delete it at the end. Your user then needs "
        "the rights to create and delete namespaces, and to create deployments, services, service accounts, secrets, "
        "roles and role bindings in them. In an existing namespace, the rights for releases (docs/releasing.md) and the "
        "right to delete leases are enough.",
    ),
    Variable(
        "BUCKET",
        "",
        "`s3://`, `minio://` or `gs://`, a bucket or a folder in one. This machine and Kubeflow's tasks may read and "
        "write there, and KServe may read. The tests create a separate folder in it and delete it.",
    ),
    Variable(
        "S3_ENDPOINT",
        "",
        "The URL of the S3 server as pods reach it. Empty: `AWS_ENDPOINT_URL_S3`, else Amazon's.",
    ),
    Variable(
        "SERVICE_ACCOUNT",
        "",
        "A service account in the namespace with which KServe reads the bucket. Empty: the tests create one from "
        "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` if these are set, which requires the rights to create and delete "
        "secrets and service accounts.",
    ),
    Variable(
        "REGISTRY",
        REGISTRY,
        "The registry with Penstock's images, as the cluster pulls from it.",
    ),
    Variable(
        "TAG",
        "",
        "The tag of the images. Empty: the tag of this version.",
    ),
    Variable(
        "SERVING_OPTIONS",
        '{"cpu": "200m", "memory": "1Gi"}',
        "`serving_options` of every push, as JSON.",
    ),
    Variable(
        "GATEWAY",
        "",
        "The URL of the gateway of mode standard, from this machine. Empty: the models' own URLs.",
    ),
    Variable(
        "KNATIVE_GATEWAY",
        "",
        "The URL of the gateway of mode knative, from this machine. Empty: the models' own URLs.",
    ),
    Variable(
        "TIMEOUT",
        "600",
        "The maximum seconds for a version to start. A pipeline run may take six times as long.",
    ),
    Variable(
        "KUBEFLOW_HOST",
        "",
        "The URL of Kubeflow Pipelines' API, as `host` in docs/kubeflow.md. Empty: that of the context file, else no Kubeflow.",
    ),
    Variable(
        "CONTEXT_FILE",
        "",
        "A `penstock.toml` whose Kubeflow context the tests use: namespace, login, platform settings with the bucket's "
        "credentials. Its user may create and delete runs, experiments and pipelines.",
        is_path=True,
    ),
    Variable(
        "KUBEFLOW_ACCOUNT",
        "kubeflow/pipeline-runner",
        "NAMESPACE/NAME of the service account of Kubeflow's tasks, which gets a role for releases.",
    ),
    Variable(
        "PIPELINE_ROOT",
        "",
        "A URI for the artifacts of runs, in a folder that the tests delete. This machine and Kubeflow may write there. "
        "Empty: the installation's own root, where they remain.",
    ),
    Variable(
        "TRACKING_URI",
        "",
        "The URI of MLflow as Kubeflow's tasks reach it. Registered versions remain there. Empty: an MLflow in the new "
        "namespace, from the image below.",
    ),
    Variable(
        "MLFLOW_IMAGE",
        "ghcr.io/mlflow/mlflow:v3.17.2",
        "The image of that MLflow.",
    ),
    Variable(
        "FLIGHTS",
        "data/flights",
        "The flights (`make data/flights`), for the pipeline that needs them.",
        is_path=True,
    ),
)


@dataclass(frozen=True)
class Settings:
    """The variables' values, by name."""

    values: Mapping[str, str]

    @classmethod
    def from_environment(cls) -> "Settings":
        """Reads them.

        Raises:
            SystemExit: A variable begins with the prefix, and means nothing.
        """
        known = {variable.name: os.environ.get(PREFIX + variable.name) or variable.default for variable in VARIABLES}
        if unknown := sorted(name for name in os.environ if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in known):
            raise SystemExit(f"{', '.join(unknown)}: unknown variable; use {', '.join(PREFIX + name for name in known)}")
        return cls(known)

    def __getitem__(self, name: str) -> str:
        """Returns a variable's value."""
        return self.values[name]

    def paths(self) -> dict[str, str]:
        """Returns the environment variables that name files and folders, seen from here: the tests run in another folder."""
        given = {PREFIX + each.name: self[each.name] for each in VARIABLES if each.is_path} | {
            "KUBECONFIG": os.environ.get("KUBECONFIG", "")
        }
        return {name: _absolute(value) for name, value in given.items() if value}

    @property
    def timeout(self) -> int:
        """For how many seconds a version may take to start."""
        return int(self["TIMEOUT"])

    @property
    def run_seconds(self) -> int:
        """For how many seconds a run of a pipeline may take."""
        return 6 * self.timeout

    @property
    def serving_options(self) -> dict[str, Any]:
        """The serving options of every push, the image among them."""
        from penstock.compile.pinning import pins

        return {"image": pins(self["REGISTRY"], self["TAG"], None)["serve"]} | json.loads(self["SERVING_OPTIONS"])

    @property
    def s3_endpoint(self) -> str:
        """The S3 server as pods reach it; empty for Amazon's."""
        return self["S3_ENDPOINT"] or os.environ.get("AWS_ENDPOINT_URL_S3", "")


def _absolute(paths: str) -> str:
    """Returns one path, or several as in KUBECONFIG."""
    return os.pathsep.join(str(Path(path).absolute()) for path in paths.split(os.pathsep) if path)


def table() -> str:
    """Returns the variables as a table in Markdown."""
    rows = [f"| `{PREFIX}{each.name}` | {f'`{each.default}`' if each.default else ''} | {each.meaning} |" for each in VARIABLES]
    return "\n".join(["| variable | default | |", "| --- | --- | --- |", *rows]) + "\n"


def main() -> None:
    """Writes the table into its page."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(text, "variables", table()), encoding="utf-8")


if __name__ == "__main__":
    main()

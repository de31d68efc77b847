"""Runs the double in a process of its own: `python -m tests.doubles.kubernetes --state FOLDER [--port P]`.

FOLDER/storage.json says which folder stands at which URI, `{"gs://bucket/models": "/a/folder"}`; it is read at each start of pods.
FOLDER/kubeconfig is what clients need to come in; it is there once the double runs, and gone when it has ended.
"""

import argparse
import json
import signal
from pathlib import Path

from penstock.components.protocol.atomic import atomically

from ..models import ModelServers
from .double import KubernetesDouble
from .workload import stored


def main() -> None:
    """Runs until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.doubles.kubernetes", description="A Kubernetes API with KServe's behavior.")
    parser.add_argument("--state", type=Path, required=True, help="the folder of storage.json and kubeconfig")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on; 0 for any")
    parser.add_argument("--default-mode", default="Knative", choices=["Knative", "Standard"], help="KServe's default deployment mode")
    parser.add_argument("--namespace", action="append", default=[], help="a namespace besides default and models")
    arguments = parser.parse_args()

    def fetch(uri: str) -> Path | None:
        file = arguments.state / "storage.json"
        folders = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return stored({prefix: Path(folder) for prefix, folder in folders.items()})(uri)

    namespaces = ("models", *arguments.namespace)
    kubeconfig = arguments.state / "kubeconfig"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with ModelServers() as servers:
        double = KubernetesDouble(servers, fetch, port=arguments.port, default_mode=arguments.default_mode, namespaces=namespaces)
        with double:
            with atomically(kubeconfig) as scratch:
                double.write_kubeconfig(scratch)
            print(double.url, flush=True)
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
            kubeconfig.unlink()


if __name__ == "__main__":
    main()

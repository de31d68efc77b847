"""A cluster with KServe and a bucket on this machine, for the end-to-end tests: in the deploy family's environment.

python -m tests.families deploy -m tests.e2e.on_doubles.ground FOLDER    prints the environment that leads there as JSON; ends by SIGTERM
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from ...doubles.kubernetes.double import KubernetesDouble
from ...doubles.models import ModelServers
from ...doubles.storage import resolve, stores

BUCKET = "e2e"


def main(folder: Path) -> None:
    """Serves until SIGTERM, to which what it starts is not deaf."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with stores(folder, BUCKET) as variables:
        os.environ.update(variables)
        with ModelServers() as servers, KubernetesDouble(servers, resolve) as cluster:
            found = variables | {
                "KUBECONFIG": str(cluster.write_kubeconfig(folder / "kubeconfig")),
                "PENSTOCK_E2E_BUCKET": f"minio://{BUCKET}",
            }
            print(json.dumps(found), flush=True)
            ended.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

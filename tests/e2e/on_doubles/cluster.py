"""A cluster with KServe and a bucket on this machine, for the end-to-end tests: in the deploy family's environment.

python -m tests.families deploy -m tests.e2e.on_doubles.cluster FOLDER    prints the environment that leads there as JSON; ends by SIGTERM

The environment has an administrator's rights; NAMESPACE in it is an existing namespace.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import urllib3

from ...apiserver.api import Api, ApiError
from ...apiserver.server import ADMIN_TOKEN
from ...doubles.kubernetes.double import KubernetesDouble
from ...doubles.kubernetes.installation import installation
from ...doubles.models import ModelServers
from ...doubles.storage import resolve, stores

BUCKET = "e2e"
_PAUSE_SECONDS = 0.5


def main(folder: Path) -> None:
    """Serves until SIGTERM, to which what it starts is not deaf."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with stores(folder, BUCKET) as variables:
        os.environ.update(variables)
        with ModelServers() as servers, KubernetesDouble(servers, resolve, everywhere=True) as cluster:
            found = variables | {
                "KUBECONFIG": str(cluster.write_kubeconfig(folder / "kubeconfig", ADMIN_TOKEN)),
                "PENSTOCK_E2E_BUCKET": f"minio://{BUCKET}",
                "NAMESPACE": cluster.namespace,
            }
            print(json.dumps(found), flush=True)
            while not ended.wait(_PAUSE_SECONDS):
                try:
                    _end_namespaces(installation().admin)
                except (ApiError, urllib3.exceptions.HTTPError) as error:  # the real one tries again as well
                    print(f"namespaces are ended later: {error}", file=sys.stderr, flush=True)


def _end_namespaces(api: Api) -> None:
    """Takes away what lies in namespaces that were deleted, and then them, as the namespace controller of Kubernetes does."""
    for item in api.call("GET", "/api/v1/namespaces")["items"]:
        if "deletionTimestamp" in item["metadata"]:
            name = item["metadata"]["name"]
            places = [f"{root}/namespaces/{name}/{plural}" for root, plural in _kinds(api)]
            for place in places:
                api.call("DELETE", place)
            if not any(api.call("GET", place)["items"] for place in places):
                api.call("PUT", f"/api/v1/namespaces/{name}/finalize", item | {"spec": {"finalizers": []}})


def _kinds(api: Api) -> Iterator[tuple[str, str]]:
    """Returns the paths and the names of the kinds that lie in namespaces."""
    groups = [group["preferredVersion"]["groupVersion"] for group in api.call("GET", "/apis")["groups"]]
    for root in ("/api/v1", *(f"/apis/{group}" for group in groups)):
        for kind in api.call("GET", root)["resources"]:
            if kind["namespaced"] and "deletecollection" in kind["verbs"]:
                yield root, kind["name"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))

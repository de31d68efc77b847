"""Prints what is left in a cluster and in a bucket as JSON; runs in the deploy family's environment: left_over.py BUCKET."""

import json
import sys
from typing import Any

from kubernetes import client, config

from penstock.components.data.filesystems import open_store
from tests.doubles.kubernetes.access import ACCOUNT

_THERE_BEFORE = ("default", ACCOUNT)


def main(bucket: str) -> None:
    """Prints it."""
    config.load_kube_config()
    core, objects = client.CoreV1Api(), client.CustomObjectsApi()
    files, place = open_store(bucket)
    services = objects.list_cluster_custom_object("serving.kserve.io", "v1beta1", "inferenceservices")["items"]
    leases = client.CoordinationV1Api().list_lease_for_all_namespaces().items
    found = [
        *(item["metadata"]["name"] for item in services),
        *(item.metadata.name for item in leases if _was_made(item)),
        *(item.metadata.name for item in core.list_namespace().items if item.metadata.name.startswith("penstock-e2e")),
        *(item.metadata.name for item in core.list_secret_for_all_namespaces().items if _was_made(item)),
        *(item.metadata.name for item in core.list_service_account_for_all_namespaces().items if _was_made(item)),
        *files.find(place),
    ]
    print(json.dumps(found))


def _was_made(item: Any) -> bool:
    """Tells whether something was not there before, as the API's own and the account that releases are."""
    return item.metadata.namespace != "kube-system" and item.metadata.name not in _THERE_BEFORE


if __name__ == "__main__":
    main(sys.argv[1])

"""Prints what is left in a cluster and in a bucket as JSON; runs in the deploy family's environment: left_over.py BUCKET."""

import json
import sys

from kubernetes import client, config

from penstock.components.data.filesystems import open_store


def main(bucket: str) -> None:
    """Prints it."""
    config.load_kube_config()
    core, objects = client.CoreV1Api(), client.CustomObjectsApi()
    files, place = open_store(bucket)
    services = objects.list_cluster_custom_object("serving.kserve.io", "v1beta1", "inferenceservices")["items"]
    leases = client.CoordinationV1Api().list_lease_for_all_namespaces().items
    found = [
        *(item["metadata"]["name"] for item in services),
        *(item.metadata.name for item in leases),
        *(item.metadata.name for item in core.list_namespace().items if item.metadata.name.startswith("penstock-e2e")),
        *(item.metadata.name for item in core.list_secret_for_all_namespaces().items),
        *(item.metadata.name for item in core.list_service_account_for_all_namespaces().items if item.metadata.name != "default"),
        *files.find(place),
    ]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])

"""The cluster, and what the tests make in it: all of it carries a label, and all of it is taken away again."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from ..apiserver.role import rules
from .settings import Settings

ISVC = ("serving.kserve.io", "v1beta1")
_ROUTES = ("gateway.networking.k8s.io", "v1")
LABEL = "penstock.dev/e2e"
ACCOUNT = "penstock-e2e"
MLFLOW = "mlflow"
_CALL_SECONDS = 30
_PATIENCE_SECONDS = 300.0


class Cluster:
    """The cluster of `KUBECONFIG`.

    Args:
        settings: The tests' settings.
        id: What everything that is made is called after.

    Attributes:
        namespace: Where the models serve.
        service_account: With which KServe reads the bucket; empty for the namespace's own.
    """

    def __init__(self, settings: Settings, id: str) -> None:
        config.load_config()
        self.id = id
        self.namespace = settings["NAMESPACE"] or f"penstock-e2e-{id}"
        self.service_account = settings["SERVICE_ACCOUNT"]
        self._is_ours = not settings["NAMESPACE"]
        self._settings = settings
        self._api = client.ApiClient()
        self._core, self._objects = client.CoreV1Api(self._api), client.CustomObjectsApi(self._api)

    def has(self, group: str, version: str, plural: str) -> bool:
        """Tells whether the cluster has a kind."""
        try:
            found = self._get(f"/apis/{group}/{version}")
        except ApiException as error:
            if error.status == 404:
                return False
            raise
        return any(each["name"] == plural for each in found["resources"])

    def shares_no_traffic(self, name: str) -> str:
        """Returns why an InferenceService of mode standard, which serves, can have no canaries; empty where it can.

        KServe 0.20.0 takes `spec.canary`, and its status says that the traffic is shared, but its routes never have weights. It is recognized by its
        version, or by the name of the predictor's route, in which later ones leave out the predictor's own name.
        """
        if not self.has(*_ROUTES, "httproutes"):
            return "no Gateway API: without it KServe shares no traffic in mode standard"
        if (version := self._kserve_version()).startswith("0.20."):
            return f"KServe {version}: it shares no traffic in mode standard"
        routes = self._objects.list_namespaced_custom_object(*_ROUTES, self.namespace, "httproutes", _request_timeout=_CALL_SECONDS)[
            "items"
        ]
        named = {route["metadata"]["name"] for route in routes}
        return "" if version or f"{name}-predictor" in named else "KServe 0.20: it shares no traffic in mode standard"

    def _kserve_version(self) -> str:
        """Returns KServe's version by the image of its controller; empty where it is unknown."""
        with suppress(ApiException):
            found = client.AppsV1Api(self._api).list_deployment_for_all_namespaces(
                label_selector="control-plane=kserve-controller-manager", _request_timeout=_CALL_SECONDS
            )
            images = [container.image for each in found.items for container in each.spec.template.spec.containers]
            return next((image.rpartition(":v")[2] for image in images if "kserve-controller:v" in image), "")
        return ""

    def isvc(self, name: str) -> dict[str, Any]:
        """Returns an InferenceService; empty if there is none."""
        try:
            return self._objects.get_namespaced_custom_object(
                *ISVC, self.namespace, "inferenceservices", name, _request_timeout=_CALL_SECONDS
            )
        except ApiException as error:
            if error.status == 404:
                return {}
            raise

    @contextmanager
    def prepared(self, models: list[str]) -> Iterator[None]:
        """Makes what the tests need, and takes everything away afterwards, also what the tests themselves have made.

        Args:
            models: The names of all InferenceServices that there may be.
        """
        try:
            if self._is_ours:
                self._make_namespace(models)
            if (
                not self.service_account
                and os.environ.get("AWS_ACCESS_KEY_ID")
                and self._settings["BUCKET"].startswith(("s3://", "minio://"))
            ):
                self._make_account()
            yield
        finally:
            self._clean(models)

    def _make_namespace(self, models: list[str]) -> None:
        self._core.create_namespace({"metadata": {"name": self.namespace, "labels": {LABEL: self.id}}}, _request_timeout=_CALL_SECONDS)
        if self._settings["KUBEFLOW_HOST"] or self._settings["CONTEXT_FILE"]:
            self._let_in(models)

    def _make_account(self) -> None:
        """Makes a service account whose secret KServe's storage initializer reads."""
        endpoint = urlsplit(self._settings.s3_endpoint)
        annotations = {"serving.kserve.io/s3-region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"}
        if endpoint.netloc:
            secure = "1" if endpoint.scheme == "https" else "0"
            annotations |= {"serving.kserve.io/s3-endpoint": endpoint.netloc, "serving.kserve.io/s3-usehttps": secure}
        metadata = {"name": ACCOUNT, "labels": {LABEL: self.id}}
        keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        self._core.create_namespaced_secret(
            self.namespace, {"metadata": metadata | {"annotations": annotations}, "stringData": keys}, _request_timeout=_CALL_SECONDS
        )
        self._core.create_namespaced_service_account(
            self.namespace, {"metadata": metadata, "secrets": [{"name": ACCOUNT}]}, _request_timeout=_CALL_SECONDS
        )
        self.service_account = ACCOUNT

    def _let_in(self, models: list[str]) -> None:
        """Gives Kubeflow's tasks the rights that Terraform gives them, and no others."""
        rights = client.RbacAuthorizationV1Api(self._api)
        namespace, _, name = self._settings["KUBEFLOW_ACCOUNT"].partition("/")
        metadata = {"name": ACCOUNT, "labels": {LABEL: self.id}}
        rights.create_namespaced_role(self.namespace, {"metadata": metadata, "rules": rules(models)}, _request_timeout=_CALL_SECONDS)
        rights.create_namespaced_role_binding(
            self.namespace,
            {
                "metadata": metadata,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
                "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
            },
            _request_timeout=_CALL_SECONDS,
        )

    def _start_mlflow(self) -> None:
        """Starts an MLflow that forgets everything when the namespace goes."""
        labels = {"app": MLFLOW, LABEL: self.id}
        command = ["mlflow", "server", "--host=0.0.0.0", "--port=5000", "--workers=1", "--allowed-hosts=*"]
        command.append("--backend-store-uri=sqlite:////tmp/mlflow.db")
        container = {"name": MLFLOW, "image": self._settings["MLFLOW_IMAGE"], "command": command, "ports": [{"containerPort": 5000}]}
        container["env"] = [{"name": "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "value": "false"}]  # else it starts six processes more
        container["readinessProbe"] = {"httpGet": {"path": "/health", "port": 5000}}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        deployment = {"metadata": {"name": MLFLOW}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
        apps = client.AppsV1Api(self._api)
        apps.create_namespaced_deployment(self.namespace, deployment, _request_timeout=_CALL_SECONDS)
        service = {"metadata": {"name": MLFLOW}, "spec": {"selector": labels, "ports": [{"port": 5000}]}}
        self._core.create_namespaced_service(self.namespace, service, _request_timeout=_CALL_SECONDS)

        def is_available() -> bool:
            status = apps.read_namespaced_deployment(MLFLOW, self.namespace, _request_timeout=_CALL_SECONDS).status
            return bool(status.available_replicas)

        _until(is_available, f"MLflow ({self._settings['MLFLOW_IMAGE']}) does not start", self._settings.timeout)

    @cached_property
    def tracking_uri(self) -> str:
        """MLflow as pods reach it, in a namespace of ours started when it is asked for first; empty where there is none."""
        if self._settings["TRACKING_URI"] or not self._is_ours:
            return self._settings["TRACKING_URI"]
        self._start_mlflow()
        return f"http://{MLFLOW}.{self.namespace}:5000"

    def _clean(self, models: list[str]) -> None:
        """Takes everything away, one by one: a namespace that is there stays, and what it had before."""
        options = {"namespace": self.namespace, "_request_timeout": _CALL_SECONDS}
        leases = client.CoordinationV1Api(self._api)
        for name in models:
            with _absent():
                self._objects.delete_namespaced_custom_object(*ISVC, plural="inferenceservices", name=name, **options)
        _until(lambda: not any(map(self.isvc, models)), f"the InferenceServices in {self.namespace} cannot be taken away")
        for name in models:
            with _absent():
                leases.delete_namespaced_lease(f"penstock-{name}", **options)
        if self.service_account == ACCOUNT:
            for delete in (self._core.delete_namespaced_service_account, self._core.delete_namespaced_secret):
                with _absent():
                    delete(ACCOUNT, **options)
        if self._is_ours:
            with _absent():
                self._core.delete_namespace(self.namespace, _request_timeout=_CALL_SECONDS)
            _until(lambda: not self._is_there(), f"the namespace {self.namespace} cannot be taken away")

    def _is_there(self) -> bool:
        try:
            self._core.read_namespace(self.namespace, _request_timeout=_CALL_SECONDS)
        except ApiException as error:
            return error.status != 404
        return True

    def _get(self, path: str) -> Any:
        return self._api.call_api(
            path,
            "GET",
            auth_settings=["BearerToken"],
            response_type="object",
            _return_http_data_only=True,
            _request_timeout=_CALL_SECONDS,
        )


@contextmanager
def _absent() -> Iterator[None]:
    """Does not mind that what is to be deleted is not there."""
    try:
        yield
    except ApiException as error:
        if error.status != 404:
            raise


def _until(reached: Callable[[], bool], failure: str, seconds: float = _PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"{failure} within {seconds:.0f} s"
        time.sleep(1)

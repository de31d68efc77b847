"""kfp's client of an installation, with its address and credentials."""

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.components.protocol.logs import is_verbose

from ...errors import UserError
from ...kfp_adapter.lazy_import import import_kfp
from ..settings import KubeflowSettings
from .login import log_in

_IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
# Given any namespace but its default, the client's constructor does not ask for one, without a timeout, again and again.
_NO_NAMESPACE = "-"


def make_client(settings: KubeflowSettings) -> Any:
    """Makes kfp's client; connects only to log in.

    Args:
        settings: Where the installation is, and who asks.

    Raises:
        BackendUnavailable: The login cannot be reached.
        UserError: Nothing says where the installation is, or who asks.
    """
    import_kfp()
    from google.auth.exceptions import GoogleAuthError
    from kfp.client import Client

    from ...kfp_adapter.client import api_client, keep_path, leave_loggers

    leave_loggers()
    if not is_verbose():
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    host = settings.host or ("" if settings.kube_context or "KUBERNETES_SERVICE_HOST" not in os.environ else _IN_CLUSTER)
    who = _who(settings, host) if host else {"kube_context": settings.kube_context or None}
    try:
        with _quiet() as output:
            client = Client(host=host or None, namespace=_NO_NAMESPACE, ssl_ca_cert=settings.ca_certificate or None, **who)
    except GoogleAuthError as error:
        reason = str(error).partition(". ")[0].rstrip(".")
        raise UserError(f"no token for client_id: {reason}; set GOOGLE_APPLICATION_CREDENTIALS to a service account's key") from error
    if "Failed to load kube config" in output.getvalue():
        raise UserError(_no_address(settings.kube_context))
    if not host:
        configuration = api_client(client).configuration
        keep_path(configuration, configuration.host.replace(f"/namespaces/{_NO_NAMESPACE}/", "/namespaces/kubeflow/").rstrip("/"))
    return client


def namespace_of_kfp() -> str:
    """Returns the namespace that kfp's client is set to on this machine, or that of the pod that this runs in; empty for none."""
    from ...kfp_adapter.client import context_file, pod_namespace_file

    context, pod = context_file(), pod_namespace_file()
    if context.is_file() and (namespace := json.loads(context.read_text(encoding="utf-8")).get("namespace")):
        return namespace
    return pod.read_text(encoding="utf-8").strip() if pod.is_file() else ""


def _who(settings: KubeflowSettings, host: str) -> dict[str, Any]:
    """Returns the arguments of the client that say who asks."""
    from ...kfp_adapter.client import KF_PIPELINES_SA_TOKEN_ENV, KF_PIPELINES_SA_TOKEN_PATH, ServiceAccountTokenVolumeCredentials

    if token := os.environ.get("PENSTOCK_KUBEFLOW_TOKEN"):
        return {"existing_token": token.strip()}
    if settings.token_file:
        if not Path(settings.token_file).is_file():
            raise UserError(f"the token file {settings.token_file} does not exist: check token_file")
        return {"credentials": ServiceAccountTokenVolumeCredentials(settings.token_file)}
    if cookies := os.environ.get("PENSTOCK_KUBEFLOW_COOKIES"):
        return {"cookies": cookies.strip()}
    if settings.username:
        return {"cookies": log_in(host, settings.username, settings.ca_certificate)}
    if settings.client_id:
        return {"client_id": settings.client_id}
    if Path(os.environ.get(KF_PIPELINES_SA_TOKEN_ENV) or KF_PIPELINES_SA_TOKEN_PATH).is_file():
        return {"credentials": ServiceAccountTokenVolumeCredentials()}
    return {}


def _no_address(kube_context: str) -> str:
    if kube_context:
        return f"the kube config has no context {kube_context} that can be used: kubectl config get-contexts lists them"
    return "the address of Kubeflow Pipelines is unknown: give --host, set KF_PIPELINES_ENDPOINT, or host in a context of penstock.toml"


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Keeps what kfp's client prints, warns and logs while it is made."""
    output, level = io.StringIO(), logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(output):
        warnings.simplefilter("ignore")
        logging.disable()
        try:
            yield output
        finally:
            logging.disable(level)

"""What of kfp's client is not exported, or cannot be set. What it is tested by is in tests/penstock/kfp_adapter/test_private.py."""

import logging
from pathlib import Path
from typing import Any

from kfp.client import KF_PIPELINES_SA_TOKEN_ENV, KF_PIPELINES_SA_TOKEN_PATH, Client, ServiceAccountTokenVolumeCredentials
from kfp_server_api import Configuration

__all__ = [  # the first three are in the documented module, but not in its `__all__`; no issue asks for it
    "KF_PIPELINES_SA_TOKEN_ENV",
    "KF_PIPELINES_SA_TOKEN_PATH",
    "ServiceAccountTokenVolumeCredentials",
    "api_client",
    "context_file",
    "keep_path",
    "leave_loggers",
    "pod_namespace_file",
]
_debug = Configuration.debug


def api_client(client: Client) -> Any:
    """Returns what all of a client's generated services ask through; the client keeps it to itself, and no issue asks for it."""
    return client.runs.run_service_get_run.__self__.api_client


def context_file() -> Path:
    """Returns where `Client.set_user_namespace` writes: what reads it, `get_user_namespace`, needs a client that is connected."""
    return Path(Client._LOCAL_KFP_CONTEXT)


def pod_namespace_file() -> Path:
    """Returns where a pod finds its namespace."""
    return Path(Client._NAMESPACE_PATH)


def leave_loggers() -> None:
    """Keeps the client from setting the levels of loggers again for each object in an answer, which is half of the time that reading a run takes.

    Each makes a `Configuration` of its own, which does that. No issue is known; it can go when
    `test_each_object_of_an_answer_makes_a_configuration` in tests/penstock/kfp_adapter/test_private.py fails.
    """
    Configuration.debug = property(_debug.fget, _set_debug)


def _set_debug(configuration: Any, value: bool) -> None:
    if value or any(logger.level != logging.WARNING for logger in configuration.logger.values()):
        _debug.fset(configuration, value)
    configuration._Configuration__debug = value


def keep_path(configuration: Any, host: str) -> None:
    """Keeps a host and its path: renewing a token of the kube config loses the path.

    <https://github.com/kubeflow/pipelines/issues/8313>; it can go when `test_a_renewed_token_loses_the_path` in
    tests/penstock/remote/kubeflow/test_connection.py fails.
    """
    configuration.host = host
    renew = configuration.refresh_api_key_hook

    def renew_token_only(renewed: Any) -> None:
        renew(renewed)
        renewed.host, renewed.refresh_api_key_hook = host, renew_token_only

    if renew:
        configuration.refresh_api_key_hook = renew_token_only

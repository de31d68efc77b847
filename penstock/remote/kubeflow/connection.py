"""A Kubeflow Pipelines installation: where it is, who asks, whose namespace; every question has a timeout and every answer is checked."""

import contextlib
import io
import json
import logging
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import urllib3

from ...errors import UserError
from ..settings import KubeflowSettings
from ..target import NoAnswer
from .login import log_in

# Seconds to connect and to answer; creating a run compiles it on the server.
TIMEOUT = (10.0, 60.0)
_CONSTRUCTION_SECONDS = 10.0
_IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_PAGE_SIZE = 50
_LONGEST_MESSAGE = 400
_ADVICE = (
    "give a token (PENSTOCK_KUBEFLOW_TOKEN or token_file), cookies (PENSTOCK_KUBEFLOW_COOKIES) or a user of Dex (username and "
    "PENSTOCK_KUBEFLOW_PASSWORD)"
)


class NotThere(UserError):
    """The server has no such thing."""


class Connection:
    """Speaks with one installation; connects when it is first asked.

    Args:
        settings: Where it is, and who asks.
    """

    def __init__(self, settings: KubeflowSettings) -> None:
        self._settings = settings

    @cached_property
    def namespace(self) -> str:
        """The user's namespace; empty in an installation for one user.

        Raises:
            UserError: The installation is for several users, and nothing says which namespace is meant.
        """
        if not self.call(self.client.healthzs.healthz_service_get_healthz).multi_user:
            return ""
        namespace = self._settings.namespace or _of_kfp() or _of_pod()
        if not namespace:
            raise UserError(f"{self.host} has several users: say whose namespace is meant with --namespace or in the context")
        return namespace

    @cached_property
    def host(self) -> str:
        """The API's URL."""
        return self._api.configuration.host.rstrip("/")

    def page(self, place: str) -> str:
        """Returns the URL of a page of the user interface, such as `runs/details/ID`; in the dashboard where there are several users."""
        base = (self._settings.ui_host or self.host).rstrip("/")
        if not self.namespace:
            return f"{base}/#/{place}"
        return f"{re.sub(r'(/_)?/pipeline$', '', base)}/_/pipeline/?ns={self.namespace}#/{place}"

    def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Asks.

        Args:
            method: A method of a generated service.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Raises:
            NoAnswer: The server cannot be reached, or cannot answer now.
            UserError: It refuses, or what answers is not Kubeflow Pipelines.
        """
        with self._errors():
            answer = method(*args, _request_timeout=TIMEOUT, **kwargs)
        self._check_json(self._api.last_response.data)
        return answer

    def pages(self, method: Callable[..., Any], items: str, **kwargs: Any) -> Iterator[Any]:
        """Yields what a list has, page after page as it is asked for."""
        token = ""
        while True:
            answer = self.call(method, page_token=token, page_size=_PAGE_SIZE, **kwargs)
            yield from getattr(answer, items) or ()
            token = answer.next_page_token
            if not token:
                return

    def named(self, method: Callable[..., Any], items: str, name: str, **kwargs: Any) -> Any | None:
        """Returns the one of a list that has a name, None if there is none."""
        predicate = {"key": "display_name", "operation": "EQUALS", "string_value": name}
        return next(self.pages(method, items, filter=json.dumps({"predicates": [predicate]}), **kwargs), None)

    def get_json(self, path: str, **path_params: str) -> dict[str, Any]:
        """Gets what no generated service does; empty where there is no such thing.

        Raises:
            NoAnswer: The server cannot be reached, or cannot answer now.
            UserError: It refuses, or what answers is not Kubeflow Pipelines.
        """
        try:
            with self._errors():
                body = self.get(path, **path_params).data.decode("utf-8", "replace")
        except NotThere:
            return {}
        self._check_json(body)
        return json.loads(body or "{}")

    def get(self, path: str, **path_params: str) -> urllib3.BaseHTTPResponse:
        """Gets what no generated service does: a response whose body is yet to be read."""
        with self._errors():
            return self._api.call_api(
                path,
                "GET",
                path_params,
                auth_settings=["Bearer"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=TIMEOUT,
            )

    @cached_property
    def client(self) -> Any:
        """kfp's client, whose generated services are `runs`, `recurring_runs`, `pipelines`, `pipeline_uploads`, `experiments`."""
        from ...lean_kfp import import_kfp

        import_kfp()
        from kfp.client import Client

        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        host = self._settings.host or (_IN_CLUSTER if "KUBERNETES_SERVICE_HOST" in os.environ and not self._settings.kube_context else "")
        with self._errors(), _quiet() as said:
            try:
                return Client(
                    host=host or None,
                    # Any namespace but its default keeps the constructor from asking for it, without a timeout, again and again.
                    # Without a host, it is the one that Kubeflow Pipelines itself lies in.
                    namespace="-" if host else "kubeflow",
                    client_id=self._settings.client_id or None,
                    ssl_ca_cert=self._settings.ca_certificate or None,
                    kube_context=self._settings.kube_context or None,
                    **_who(self._settings, host),
                )
            finally:
                if "Failed to load kube config" in said.getvalue():
                    raise UserError(
                        "where Kubeflow Pipelines is is not known: give --host, set KF_PIPELINES_ENDPOINT, or host in a context"
                    )

    @property
    def _api(self) -> Any:
        """What all generated services ask through."""
        return self.client.runs.run_service_get_run.__self__.api_client

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Says in one line what goes wrong."""
        from kfp_server_api import ApiException

        try:
            yield
        except ApiException as error:
            raise self._refusal(error.status or 0, str(error.body or error.reason or "")) from error
        except (urllib3.exceptions.HTTPError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    def _refusal(self, status: int, body: str) -> UserError:
        said = message(body)
        if status == 401:
            return UserError(f"{self._where} does not know who asks (401): {_ADVICE}; a token may have expired ({said})")
        if status == 403:
            return UserError(
                f"{self._where} does not allow that (403): {said}; ask for the permission, or check --namespace and who you are"
            )
        if status == 429 or status >= 500:
            return NoAnswer(f"{self._where} cannot answer now ({status}): {said}")
        if status == 404:
            return NotThere(f"{self._where} has no such thing (404): {said}")
        if not status:
            return UserError(f"{self._where} gives an answer that cannot be read: {said}")
        return UserError(f"{self._where} refuses ({status}): {said}")

    def _unreachable(self, error: BaseException) -> UserError:
        cause = getattr(error, "reason", None) or error
        if isinstance(cause, urllib3.exceptions.ProtocolError):
            cause = cause.args[-1]
        if "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return UserError(f"{self._where} has a certificate that is not trusted: name its authority's certificates with ca_certificate")
        if "SSL" in type(cause).__name__:
            return UserError(f"{self._where} does not speak TLS: check https or http in the host ({cause})")
        return NoAnswer(f"{self._where} cannot be reached: {_brief(cause)}")

    def _check_json(self, body: str) -> None:
        if body.lstrip()[:1] in ("{", ""):
            return
        if "<html" in body.lower() or "<!doctype" in body.lower():
            raise UserError(f"{self._where} answers with a login page: {_ADVICE}")
        raise UserError(f"{self._where} is not Kubeflow Pipelines' API: it answers {body.strip()[:60]!r}; check the host")

    @property
    def _where(self) -> str:
        return self.host if "client" in vars(self) else self._settings.host or "Kubeflow Pipelines"


def message(body: str) -> str:
    """Returns what an error's body says, in one short line."""
    try:
        told = json.loads(body)
        body = told.get("error_message") or told.get("message") or told.get("error") or body
    except (ValueError, AttributeError):
        body = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", body, flags=re.DOTALL)
    line = " ".join(str(body).split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]} …"


def _who(settings: KubeflowSettings, host: str) -> dict[str, Any]:
    """Returns the client's arguments that say who asks."""
    from kfp.client import KF_PIPELINES_SA_TOKEN_ENV, KF_PIPELINES_SA_TOKEN_PATH
    from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

    if token := os.environ.get("PENSTOCK_KUBEFLOW_TOKEN"):
        return {"existing_token": token.strip()}
    if settings.token_file:
        if not Path(settings.token_file).is_file():
            raise UserError(f"there is no token file {settings.token_file}: check token_file")
        return {"credentials": ServiceAccountTokenVolumeCredentials(settings.token_file)}
    if cookies := os.environ.get("PENSTOCK_KUBEFLOW_COOKIES"):
        return {"cookies": cookies.strip()}
    if settings.username and host:
        return {"cookies": log_in(host, settings.username, settings.ca_certificate)}
    if host and not settings.client_id and Path(os.environ.get(KF_PIPELINES_SA_TOKEN_ENV) or KF_PIPELINES_SA_TOKEN_PATH).is_file():
        return {"credentials": ServiceAccountTokenVolumeCredentials()}
    return {}


def _of_kfp() -> str:
    """Returns the namespace that kfp's own client is set to, in `~/.config/kfp/context.json`."""
    from kfp.client import Client

    place = Path(Client._LOCAL_KFP_CONTEXT)
    return json.loads(place.read_text(encoding="utf-8")).get("namespace", "") if place.is_file() else ""


def _of_pod() -> str:
    """Returns the namespace of the pod that this runs in."""
    from kfp.client import Client

    place = Path(Client._NAMESPACE_PATH)
    return place.read_text(encoding="utf-8").strip() if place.is_file() else ""


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Keeps what kfp's client says while it is made, and bounds the questions that it asks then."""
    said, timeout, level = io.StringIO(), socket.getdefaulttimeout(), logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(said):
        warnings.simplefilter("ignore")
        socket.setdefaulttimeout(_CONSTRUCTION_SECONDS)
        logging.disable()
        try:
            yield said
        finally:
            logging.disable(level)
            socket.setdefaulttimeout(timeout)


def _brief(error: object) -> str:
    """Returns what urllib3 says, without the names of its objects."""
    return re.sub(r"^.*?object at 0x[0-9a-f]+>: |HTTP\w*\(.*?\): ", "", str(error))

"""Requests to Kubeflow Pipelines: each has a timeout, each answer is checked, and each error is one line."""

import base64
import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import urllib3

from ...errors import UserError
from ..settings import KubeflowSettings
from ..target import BackendUnavailable
from .client import make_client, namespace_of_kfp

# Seconds to connect and to answer; kfp's client tries up to four times where nothing can have happened yet.
TIMEOUT = (10.0, 30.0)
_PAGE_SIZE = 50
_LONGEST_MESSAGE = 400
_DATA = re.compile(rb'"data"\s*:\s*"')
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
        namespace = self._settings.namespace or namespace_of_kfp()
        if not namespace:
            raise UserError(f"{self.host} has several users: give your namespace with --namespace or in the context")
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
            BackendUnavailable: The server cannot be reached, or cannot answer now.
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
        """Returns the item of a list with a name, or None."""
        return next(self.pages(method, items, filter=_by_name("EQUALS", name), **kwargs), None)

    def get_json(self, path: str, path_params: dict[str, str]) -> dict[str, Any]:
        """Gets what no generated service does; empty where there is no such thing.

        Raises:
            BackendUnavailable: The server cannot be reached, or cannot answer now.
            UserError: It refuses, or what answers is not Kubeflow Pipelines.
        """
        try:
            with self._errors():
                body = self._get(path, path_params, {}).data.decode("utf-8", "replace")
        except NotThere:
            return {}
        self._check_json(body)
        return json.loads(body or "{}")

    def lines(self, path: str, path_params: dict[str, str] | None = None, query: dict[str, str] | None = None) -> Iterator[str]:
        """Yields the lines of a text, as they come.

        Raises:
            BackendUnavailable: The server cannot be reached, or cannot answer now.
            UserError: It refuses.
        """
        with self._errors(), self._get(path, path_params or {}, query or {}) as answer:
            yield from _lines(answer.stream())

    def lines_of_file(self, path: str, path_params: dict[str, str]) -> Iterator[str]:
        """Yields the lines of a file that comes as JSON, as they come.

        Raises:
            BackendUnavailable: The server cannot be reached, or cannot answer now.
            UserError: It refuses.
        """
        with self._errors(), self._get(path, path_params, {}) as answer:
            yield from _lines(_file(answer.stream()))

    def _get(self, path: str, path_params: dict[str, str], query: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """Asks for what is yet to be read."""
        return self._api.call_api(
            path,
            "GET",
            path_params,
            list(query.items()),
            auth_settings=["Bearer"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=TIMEOUT,
        )

    @cached_property
    def client(self) -> Any:
        """kfp's client, whose generated services are `runs`, `recurring_runs`, `pipelines`, `pipeline_uploads`, `experiments`."""
        return make_client(self._settings)

    @property
    def _api(self) -> Any:
        from ...kfp_adapter.client import api_client

        return api_client(self.client)

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
        reason = message(body)
        if status == 401:
            return UserError(f"{self._where} requires authentication (401): {_ADVICE}; a token may have expired ({reason})")
        if status == 403:
            return UserError(
                f"{self._where} does not allow that (403): {reason}; request the permission, or check --namespace and your account"
            )
        if status == 429 or status >= 500:
            return BackendUnavailable(f"{self._where} cannot answer now ({status}): {reason}")
        if status == 404:
            return NotThere(f"{self._where} has no such resource (404): {reason}")
        if not status:
            return UserError(f"{self._where} returned an unreadable answer: {reason}")
        return UserError(f"{self._where} rejects the request ({status}): {reason}")

    def _unreachable(self, error: BaseException) -> UserError:
        cause = getattr(error, "reason", None) or error
        if isinstance(cause, urllib3.exceptions.ProtocolError):
            cause = cause.args[-1]
        if "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return UserError(
                f"{self._where} has a certificate that is not trusted: give the certificates of its authority with ca_certificate"
            )
        if "SSL" in type(cause).__name__:
            return UserError(f"{self._where} does not speak TLS: check https or http in the host ({cause})")
        return BackendUnavailable(f"{self._where} cannot be reached: {_brief(cause)}")

    def _check_json(self, body: str) -> None:
        if body.lstrip()[:1] in ("{", ""):
            return
        if "<html" in body.lower() or "<!doctype" in body.lower():
            raise UserError(f"{self._where} answers with a login page: {_ADVICE}")
        raise UserError(f"{self._where} is not Kubeflow Pipelines' API: it answers {body.strip()[:60]!r}; check the host")

    @property
    def _where(self) -> str:
        return self.host if "client" in vars(self) else self._settings.host or "Kubeflow Pipelines"


def named_like(text: str) -> str:
    """Returns the filter of a list for names that have a text in them."""
    return _by_name("IS_SUBSTRING", text)


def _by_name(operation: str, text: str) -> str:
    return json.dumps({"predicates": [{"key": "display_name", "operation": operation, "string_value": text}]})


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)
    if rest:
        yield rest.decode("utf-8", "replace")


def _file(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the bytes of a file in `{"data":"BASE64"}`."""
    text, in_data = b"", False
    for piece in pieces:
        text += piece
        if not in_data and (begins := _DATA.search(text)):
            in_data, text = True, text[begins.end() :]
        if in_data:
            data = text.partition(b'"')[0]
            whole = data[: len(data) // 4 * 4]
            text = text[len(whole) :]
            yield base64.b64decode(whole)


def message(body: str) -> str:
    """Returns what an error's body says, in one short line."""
    try:
        parsed = json.loads(body)
        body = parsed.get("error_message") or parsed.get("message") or parsed.get("error") or body
    except (ValueError, AttributeError):
        body = re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", body, flags=re.DOTALL)
    line = " ".join(str(body).split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]} …"


def _brief(error: object) -> str:
    """Returns what urllib3 says, without the names of its objects."""
    return re.sub(r"^.*?object at 0x[0-9a-f]+>: |HTTP\w*\(.*?\): ", "", str(error))

"""The methods of the gRPC server, by the paths of their `google.api.http` annotations (https://google.aip.dev/127)."""

import importlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from .errors import ApiError, invalid_argument
from .server import Server
from .web import Answer, Question

_SERVICES = "google.cloud.aiplatform_v1.services"
_VARIABLE = re.compile(r"\{([\w.]+)=([^}]+)\}")
_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


@dataclass(frozen=True)
class _Route:
    method: str
    path: re.Pattern[str]
    variables: list[str]
    body: str
    name: str


class Rest:
    """Answers over HTTP what a server answers over gRPC."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._routes = [route for name in server.methods for route in _routes(name)]

    def answer(self, question: Question) -> Answer | None:
        """Answers a request; None for a path that is no method's."""
        for route in self._routes:
            match = route.path.fullmatch(question.path) if route.method == question.method.lower() else None
            if match:
                return self._call(route, dict(zip(route.variables, match.groups(), strict=True)), question)
        return None

    def _call(self, route: _Route, variables: dict[str, str], question: Question) -> Answer:
        context = _Context()
        try:
            request = _request(self._server.methods[route.name].kind, route, variables, question)
            response = self._server.call(route.name, request, question.headers, context)
        except ApiError as error:
            code = _CODES.get(error.code, 500)
            status = json_format.MessageToDict(error.status)
            return Answer(code, {"error": {"message": "", **status, "code": code, "status": error.code.name}})
        return Answer(200, json_format.MessageToDict(_plain(response)), context.headers)


class _Context:
    """What methods know of a call's transport."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def is_active(self) -> bool:
        """Tells whether the client still waits; an HTTP server does not hear of it."""
        return True

    def send_initial_metadata(self, metadata: list[tuple[str, str]]) -> None:
        """Sends headers with the answer."""
        self.headers.update(metadata)


def _routes(name: str) -> list[_Route]:
    """Reads a method's annotations from the client, which has been generated from them."""
    service, _, method = name.partition("/")
    service = service.rpartition(".")[2]
    owner = "PipelineService" if service == "Operations" else service  # every service's client brings those of operations
    try:
        module = importlib.import_module(f"{_SERVICES}.{_snake(owner)}.transports.rest_base")
    except ModuleNotFoundError:
        return []
    annotated = getattr(getattr(module, f"_Base{owner}RestTransport"), f"_Base{method}", None)
    return [_route(name, option) for option in annotated._get_http_options()] if annotated else []


def _route(name: str, option: dict[str, str]) -> _Route:
    pattern, place, variables = "", 0, []
    for match in _VARIABLE.finditer(option["uri"]):
        variables.append(match[1])
        inner = re.escape(match[2]).replace(r"\*\*", ".+").replace(r"\*", "[^/:]+")
        pattern += f"{re.escape(option['uri'][place : match.start()])}({inner})"
        place = match.end()
    return _Route(option["method"], re.compile(pattern + re.escape(option["uri"][place:])), variables, option.get("body", ""), name)


def _request(kind: Any, route: _Route, variables: dict[str, str], question: Question) -> Any:
    """Makes a method's request of a path's variables, a query and a body."""
    request = kind()
    message = _plain(request)
    values: dict[str, Any] = dict(question.body or {}) if route.body == "*" else {}
    if route.body not in ("", "*"):
        values[route.body] = question.body or {}
    for name, texts in parse_qs(question.query).items():
        if not name.startswith("$"):
            _put(values, message.DESCRIPTOR, name, texts)
    for name, text in variables.items():
        _put(values, message.DESCRIPTOR, name, [text])
    try:
        json_format.ParseDict(values, message)
    except json_format.ParseError as error:
        raise invalid_argument(f"Invalid JSON payload received. {error}") from error
    return request


def _put(values: dict[str, Any], kind: Descriptor, name: str, texts: list[str]) -> None:
    """Puts what a query or a path says where its dotted name says."""
    part, _, rest = name.partition(".")
    field = kind.fields_by_camelcase_name.get(part) or kind.fields_by_name.get(part)
    if field is None:
        raise invalid_argument(f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.')
    if rest:
        _put(values.setdefault(field.name, {}), field.message_type, rest, texts)
    elif field.is_repeated:
        values[field.name] = texts
    else:
        values[field.name] = texts[-1] == "true" if field.type == field.TYPE_BOOL else texts[-1]


def _plain(message: Any) -> Message:
    return message if isinstance(message, Message) else type(message).pb(message)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()

"""The API server: who may do what, to which object, and what becomes of it."""

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import kserve
import kserve.models
import kubernetes.client

from . import errors, webhook
from .answer import Answer, Request
from .errors import ApiError
from .front import Front
from .patches import PatchError, apply, merge
from .resources import INFERENCE_SERVICES, NAMESPACES, RESOURCES, find
from .schema import Schema, prune, wrong_names
from .store import Object, Resource, Store

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>status|log|proxy)(?P<rest>/.*)?)?"
)
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_MERGE, _JSON = "application/merge-patch+json", "application/json-patch+json"
_SCHEMA = Schema(kserve, kserve.models, kubernetes.client)


class Api:
    """Answers requests to the API.

    Attributes:
        tokens: Who each bearer token is; another one is answered with 401.
        denied: What nobody may do: pairs of a verb and a plural, such as `("patch", "inferenceservices")`.
        default_mode: KServe's deployment mode of InferenceServices that name none.
        stopping: Set when the server stops: watches end.
    """

    def __init__(self, store: Store, front: Front, tokens: dict[str, str], default_mode: str) -> None:
        self.store = store
        self.tokens = tokens
        self.denied: set[tuple[str, str]] = set()
        self.default_mode = default_mode
        self.stopping = threading.Event()
        self._front = front

    def answer(self, request: Request) -> Answer:
        """Answers a request.

        Raises:
            ApiError: It is refused.
        """
        user = self._user(request)
        if found := _discovery(request.path):
            return Answer(200, found)
        match = _PATH.fullmatch(request.path)
        resource = match and find(match["group"] or "", match["core"] or match["version"], match["plural"])
        if not match or not resource:
            return Answer(404, b"404 page not found\n", "text/plain")
        namespace, name = match["namespace"] or "", match["name"] or ""
        verb = _verb(request, name)
        if (verb, resource.plural) in self.denied:
            raise errors.forbidden(user, verb, resource.plural, resource.group, namespace, name)
        if match["sub"] == "proxy":
            return self._front.ask(request, namespace, name.split(":")[0], match["rest"] or "/")
        return self._act(verb, request, resource, namespace, name, match["sub"] or "")

    def _user(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token not in self.tokens:
            raise errors.unauthorized()
        return self.tokens[token]

    def _act(self, verb: str, request: Request, resource: Resource, namespace: str, name: str, sub: str) -> Answer:
        if verb == "watch":
            return Answer(200, lines=self._watch(request, resource, namespace, name))
        if verb == "list":
            return Answer(200, self._list(request, resource, namespace))
        if verb == "create":
            return Answer(201, self._create(request, resource, namespace))
        if verb == "get":
            return Answer(200, self.store.get(resource, namespace, name))
        if verb == "delete":
            return self._delete(request, resource, namespace, name)
        return self._update(verb, request, resource, namespace, name, is_status=sub == "status")

    def _list(self, request: Request, resource: Resource, namespace: str) -> Object:
        items = [item for item in self.store.list(resource, namespace) if _selected(item, request.query)]
        metadata = {"resourceVersion": str(self.store.version)}
        return {"apiVersion": resource.api_version, "kind": f"{resource.kind}List", "metadata": metadata, "items": items}

    def _watch(self, request: Request, resource: Resource, namespace: str, name: str) -> Iterator[Any]:
        query = request.query | ({"fieldSelector": f"metadata.name={name}"} if name else {})
        asked = query.get("resourceVersion", "")
        since = int(asked or "0")
        if asked in ("", "0"):
            since = self.store.version
            for item in self.store.list(resource, namespace):
                if _selected(item, query):
                    yield {"type": "ADDED", "object": item}
        try:
            for event in self.store.watch(since, float(query.get("timeoutSeconds", 1800)), self.stopping):
                if event is None:
                    yield None
                elif (
                    event.resource == resource
                    and namespace in ("", event.object["metadata"].get("namespace", ""))
                    and _selected(event.object, query)
                ):
                    yield {"type": event.type, "object": event.object}
        except ApiError as error:
            yield {"type": "ERROR", "object": error.status()}

    def _create(self, request: Request, resource: Resource, namespace: str) -> Object:
        item = _body(request)
        if resource.namespaced:
            self.store.get(NAMESPACES, "", namespace)
        self._admit(request, resource, item, None)
        given = item["metadata"].get("namespace", namespace)
        if given != namespace:
            raise errors.bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if resource == INFERENCE_SERVICES:
            item.pop("status", None)
        item["metadata"].pop("resourceVersion", None)
        if "dryRun" in request.query:
            return item
        return self.store.create(resource, namespace, item)

    def _update(self, verb: str, request: Request, resource: Resource, namespace: str, name: str, *, is_status: bool) -> Answer:
        with self.store.changed:  # what is read here is what is replaced
            old = self.store.get(resource, namespace, name)
            item = _body(request) if verb == "update" else _patched(request, old)
            if item.get("metadata", {}).get("name") != name:
                given = item.get("metadata", {}).get("name", "")
                raise errors.bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
            if not item["metadata"].get("resourceVersion"):
                missing = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
                raise errors.invalid(resource.plural, resource.group, name, [missing])
            if not is_status:
                self._admit(request, resource, item, old)
            if "dryRun" in request.query:
                return Answer(200, item)
            return Answer(200, self.store.replace(resource, namespace, item, status=is_status))

    def _delete(self, request: Request, resource: Resource, namespace: str, name: str) -> Answer:
        expected = (json.loads(request.body) if request.body else {}).get("preconditions") or {}
        if resource == INFERENCE_SERVICES:  # its finalizer is the controller's, which takes it away
            with self.store.changed:
                item = self.store.get(resource, namespace, name)
                if any(item["metadata"][field] != value for field, value in expected.items()):
                    raise errors.conflict(resource.plural, resource.group, name)
                return Answer(200, self.store.mark_deleted(resource, namespace, name))
        details = {"name": name, "group": resource.group, "kind": resource.plural}
        self.store.delete(resource, namespace, name, expected)
        return Answer(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})

    def _admit(self, request: Request, resource: Resource, item: Object, old: Object | None) -> None:
        """Checks an object on its way in, in the order of the real server: fields, webhooks that default, schema, name, webhooks that refuse."""
        name = item.get("metadata", {}).get("name", "")
        item |= {} if resource == INFERENCE_SERVICES else {"apiVersion": resource.api_version, "kind": resource.kind} | item
        if (item.get("apiVersion"), item.get("kind")) != (resource.api_version, resource.kind):
            given = f"{item.get('apiVersion', '')}, Kind={item.get('kind', '')}"
            expected = f"{resource.api_version}, Kind={resource.kind}"
            raise errors.bad_request(f"the API version in the data ({given}) does not match the expected API version ({expected})")
        if resource == INFERENCE_SERVICES:
            _check(request, item)
            webhook.default(item, self.default_mode)
        if not re.fullmatch(_SUBDOMAIN, name) or len(name) > 253:
            rule = (
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
                f"with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
            )
            raise errors.invalid(resource.kind, resource.group, name, [f'metadata.name: Invalid value: "{name}": {rule}'])
        if resource == INFERENCE_SERVICES and (problem := webhook.validate(item, old)):
            raise errors.denied("inferenceservice.kserve-webhook-server.validator", problem)


def _check(request: Request, item: Object) -> None:
    """Checks the fields of an InferenceService; unknown ones are refused unless the caller asks for a warning only, or for silence."""
    findings = _SCHEMA.check({key: value for key, value in item.items() if key != "status"}, "V1beta1InferenceService", "")
    unknown = findings.unknown
    if unknown and request.query.get("fieldValidation", "Strict") == "Strict":
        named = ", ".join(f'unknown field "{path}"' for path in unknown)
        cause = f"cannot be handled as a InferenceService: strict decoding error: {named}"
        raise errors.bad_request(f'InferenceService in version "v1beta1" {cause}')
    prune(item, unknown)
    problems = findings.invalid + wrong_names(item) + ([] if item.get("spec") else ["spec: Required value"])
    if problems:
        raise errors.invalid("InferenceService", "serving.kserve.io", item["metadata"].get("name", ""), problems)


def _body(request: Request) -> Object:
    try:
        item = json.loads(request.body)
    except ValueError as error:
        raise errors.bad_request(f"the object provided is unrecognized (must be of type InferenceService): {error}") from error
    if not isinstance(item, dict):
        raise errors.bad_request("the object provided is unrecognized")
    item.setdefault("metadata", {})
    return item


def _patched(request: Request, old: Object) -> Object:
    kind = request.headers.get("content-type", "").split(";")[0]
    patch = json.loads(request.body)
    if kind == _MERGE:
        return merge(old, patch)
    if kind == _JSON:
        try:
            return apply(old, patch)
        except PatchError as error:
            raise errors.ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {error}") from error
    raise errors.unsupported_media_type()


def _verb(request: Request, name: str) -> str:
    verbs = {
        "GET": "get" if name else "list",
        "POST": "" if name else "create",
        "PUT": "update" if name else "",
        "PATCH": "patch" if name else "",
        "DELETE": "delete" if name else "",
    }
    if "/proxy" in request.path:
        return {"GET": "get", "POST": "create"}.get(request.method, "update")
    verb = verbs.get(request.method, "")
    if not verb:
        raise errors.method_not_allowed()
    return "watch" if request.method == "GET" and request.query.get("watch") in ("true", "True", "1") else verb


def _selected(item: Object, query: dict[str, str]) -> bool:
    labels = item["metadata"].get("labels", {})
    wanted = [part.split("=", 1) for part in query.get("labelSelector", "").replace("==", "=").split(",") if part]
    if any(labels.get(key) != value for key, value in wanted):
        return False
    fields = [part.split("=", 1) for part in query.get("fieldSelector", "").replace("==", "=").split(",") if part]
    return all(_field(item, key) == value for key, value in fields)


def _field(item: Any, path: str) -> Any:
    for part in path.split("."):
        item = item.get(part, {}) if isinstance(item, dict) else {}
    return item


def _discovery(path: str) -> Object | None:
    """Returns what clients ask to find out what there is."""
    groups = sorted({(one.group, one.version) for one in RESOURCES if one.group})
    if path == "/version":
        return {"major": "1", "minor": "33", "gitVersion": "v1.33.1", "platform": "linux/amd64"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for group, version in groups]
        named = [{"name": group, "versions": [one], "preferredVersion": one} for (group, _), one in zip(groups, versions, strict=True)]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}
    here = [one for one in RESOURCES if path == (f"/apis/{one.api_version}" if one.group else "/api/v1")]
    if not here:
        return None
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    listed = [
        {"name": one.plural, "singularName": one.kind.lower(), "namespaced": one.namespaced, "kind": one.kind, "verbs": verbs}
        for one in here
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": here[0].api_version, "resources": listed}

"""google.cloud.aiplatform.v1.MetadataService: the contexts that experiments and pipeline runs are."""

import re
from typing import Any

from google.cloud.aiplatform_v1 import types

from .errors import already_exists, invalid, not_found
from .lists import page
from .methods import Methods
from .operations import Operations
from .state import State

_STORE = re.compile(r"projects/[^/]+/locations/[^/]+/metadataStores/([^/]+)")
_CONTEXT = re.compile(rf"{_STORE.pattern}/contexts/([^/]+)")
_CONTEXT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_READERS = {
    "schema_title": lambda context: context.schema_title,
    "display_name": lambda context: context.display_name,
    "name": lambda context: context.name,
    "create_time": lambda context: context.create_time,
}


class MetadataService:
    """The metadata stores and their contexts."""

    def __init__(self, state: State, operations: Operations) -> None:
        self._state = state
        self._operations = operations
        self._stores: dict[str, types.MetadataStore] = {}
        self._contexts: dict[str, types.Context] = {}
        self.methods: Methods = {
            "CreateMetadataStore": (self.create_store, types.CreateMetadataStoreRequest),
            "GetMetadataStore": (self.get_store, types.GetMetadataStoreRequest),
            "CreateContext": (self.create_context, types.CreateContextRequest),
            "GetContext": (self.get_context, types.GetContextRequest),
            "ListContexts": (self.list_contexts, types.ListContextsRequest),
            "AddContextChildren": (self.add_children, types.AddContextChildrenRequest),
        }

    def clear(self) -> None:
        """Forgets everything."""
        self._stores.clear()
        self._contexts.clear()

    def create_store(self, request: types.CreateMetadataStoreRequest) -> Any:
        """Answers CreateMetadataStore."""
        self._state.names.check_parent(request.parent)
        name = self._state.names.full("metadataStores", request.metadata_store_id or self._state.new_number())
        if name in self._stores:
            raise already_exists("MetadataStore", name)

        def add() -> types.MetadataStore:
            with self._state.lock:
                self._stores[name] = types.MetadataStore(request.metadata_store, name=name, create_time=self._state.now())
                return self._stores[name]

        return self._operations.begin("CreateMetadataStore", request, name, types.CreateMetadataStoreOperationMetadata(), add)

    def get_store(self, request: types.GetMetadataStoreRequest) -> types.MetadataStore:
        """Answers GetMetadataStore."""
        name = self._name(request.name, _STORE)
        if name not in self._stores:
            raise not_found("MetadataStore", name)
        return self._stores[name]

    def create_context(self, request: types.CreateContextRequest) -> types.Context:
        """Answers CreateContext."""
        store = self._name(request.parent, _STORE, "parent")
        if store not in self._stores:
            raise not_found("MetadataStore", store)
        key = request.context_id or self._state.new_number()
        if not _CONTEXT_ID.fullmatch(key):
            raise invalid("context_id", f"'{key}' should match {_CONTEXT_ID.pattern}.")
        name = f"{store}/contexts/{key}"
        if name in self._contexts:
            raise already_exists("Context", name)
        return self._add(name, types.Context(request.context))

    def get_context(self, request: types.GetContextRequest) -> types.Context:
        """Answers GetContext."""
        return self._find(request.name, "name")

    def list_contexts(self, request: types.ListContextsRequest) -> types.ListContextsResponse:
        """Answers ListContexts."""
        store = self._name(request.parent, _STORE, "parent")
        contexts = [context for name, context in self._contexts.items() if name.startswith(f"{store}/")]
        found, token = page(contexts, request, _READERS)
        return types.ListContextsResponse(contexts=found, next_page_token=token)

    def add_children(self, request: types.AddContextChildrenRequest) -> types.AddContextChildrenResponse:
        """Answers AddContextChildren."""
        parent = self._find(request.context, "context")
        for child in [self._find(name, "child_contexts") for name in request.child_contexts]:
            if parent.name not in child.parent_contexts:
                child.parent_contexts.append(parent.name)
                child.update_time = self._state.now()
        return types.AddContextChildrenResponse()

    def contexts_of_run(self, pipeline: str, run: str) -> types.PipelineJobDetail:
        """Makes the contexts of a pipeline and of a run of it, as the service does for each job."""
        place = self._state.names.full("metadataStores", "default/contexts")
        of_pipeline = self._contexts.get(f"{place}/{pipeline}") or self._add(f"{place}/{pipeline}", _context("system.Pipeline", pipeline))
        of_run = self._add(f"{place}/{run}", _context("system.PipelineRun", run))
        of_run.parent_contexts.append(of_pipeline.name)
        return types.PipelineJobDetail(pipeline_context=of_pipeline, pipeline_run_context=of_run)

    def children(self, name: str) -> list[str]:
        """Returns the display names of a context's children, without a call."""
        with self._state.lock:
            return [context.display_name for context in self._contexts.values() if name in context.parent_contexts]

    def _add(self, name: str, context: types.Context) -> types.Context:
        context.name = name
        context.create_time = context.update_time = self._state.now()
        context.etag = self._state.new_etag()
        self._contexts[name] = context
        return context

    def _find(self, name: str, field: str) -> types.Context:
        known = self._name(name, _CONTEXT, field)
        if known not in self._contexts:
            raise not_found("Context", known)
        return self._contexts[known]

    def _name(self, text: str, kind: re.Pattern[str], field: str = "name") -> str:
        """Returns a resource's name as answers have it."""
        if kind.fullmatch(text) is None:
            raise invalid(field, f"Invalid resource name '{text}'.")
        self._state.names.check_parent("/".join(text.split("/")[:4]), field)
        return self._state.names.full("metadataStores", text.split("/metadataStores/")[1])


def _context(schema_title: str, name: str) -> types.Context:
    return types.Context(display_name=name, schema_title=schema_title, schema_version="0.0.1")

"""What the API server keeps."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..pipeline_runs import PipelineRun
from .template import Template

NEVER = datetime.fromtimestamp(0, timezone.utc)


def new_id() -> str:
    """Returns an id such as the server gives."""
    return str(uuid.uuid4())


def now() -> datetime:
    """Returns the time in whole seconds, as the server keeps it."""
    return datetime.now(timezone.utc).replace(microsecond=0)


@dataclass
class Experiment:
    """An experiment."""

    name: str
    namespace: str = ""
    description: str = ""
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)
    last_run: datetime = NEVER
    is_archived: bool = False


@dataclass
class Pipeline:
    """A pipeline of the list."""

    name: str
    display_name: str
    namespace: str = ""
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)


@dataclass
class Version:
    """A version of a pipeline."""

    pipeline: Pipeline
    name: str
    display_name: str
    template: Template
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)


@dataclass
class Source:
    """What a run is made of: a version, or a spec that came with the request; and its runtime config."""

    template: Template
    version: Version | None
    parameters: dict[str, Any]
    pipeline_root: str


@dataclass
class Run:
    """A run.

    Attributes:
        workflow: The name of its Argo workflow, which its pods' names begin with.
        engine: What runs it.
        reported: The states that the persistence agent has reported so far, with the time of each.
        has_default_retries: Whether every template of its workflow has a retry strategy.
        is_collected: Whether its workflow and pods are deleted, as they are an hour after its end (`ttlStrategy` in the manifests'
            workflow-controller-configmap); the record keeps the workflow's last state.
    """

    name: str
    experiment: Experiment
    source: Source
    service_account: str
    description: str
    recurring_id: str
    workflow: str
    engine: PipelineRun
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)
    is_archived: bool = False
    is_terminating: bool = False
    reported: list[tuple[str, datetime]] = field(default_factory=list)
    has_default_retries: bool = True
    is_collected: bool = False

    @property
    def state(self) -> str:
        """Its state. A run that was terminated ends up as failed: so does its workflow; what cannot be stored is never known."""
        if self.has_ended:
            return "SUCCEEDED" if self.engine.state == "done" else "FAILED"
        if self.is_terminating:
            return "CANCELING"
        return "RUNNING" if self.engine.tasks else "PENDING"

    @property
    def has_ended(self) -> bool:
        """Whether it is in a final state."""
        return self.engine.state != "running" and not self.engine.is_stopped

    @property
    def finished(self) -> datetime:
        """When it ended; the epoch before that."""
        return self.engine.ended.replace(microsecond=0) if self.has_ended and self.engine.ended else NEVER

    def report(self) -> None:
        """Notes the state, if it is a new one."""
        if not self.reported or self.reported[-1][0] != self.state:
            self.reported.append((self.state, now()))


@dataclass
class RecurringRun:
    """A recurring run.

    Attributes:
        pipeline: The pipeline whose latest version is run, where no version is given.
        trigger: The API's form of it.
        fired: How many runs it has made.
    """

    name: str
    experiment: Experiment
    source: Source
    pipeline: Pipeline | None
    trigger: dict[str, Any]
    max_concurrency: int
    no_catchup: bool
    is_enabled: bool
    service_account: str = ""
    description: str = ""
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    fired: int = 0


class Records:
    """All that is kept, by id, in the order in which it came.

    Attributes:
        lock: Held while it is read or changed.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.experiments: dict[str, Experiment] = {}
        self.pipelines: dict[str, Pipeline] = {}
        self.versions: dict[str, Version] = {}
        self.runs: dict[str, Run] = {}
        self.recurring: dict[str, RecurringRun] = {}

    def versions_of(self, pipeline: Pipeline) -> Iterator[Version]:
        """Yields the versions of a pipeline, oldest first."""
        return (version for version in self.versions.values() if version.pipeline is pipeline)

"""Prepares a submission from a compiled file and the user's options, and checks it before it is sent."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..lint import Finding, lint
from ..lint.rules.text import WIDE
from ..spec.pipeline_file import PipelineFile
from ..spec.portable import portable
from . import accelerators
from .packing import with_packed
from .platform_settings import accelerator_resources
from .release_names import check_names
from .settings import Settings
from .target import Submission


@dataclass(frozen=True)
class SubmissionOptions:
    """What the user gives on the command line; empty: as the context says, or the backend's default.

    Attributes:
        texts: Parameters as typed.
        values: Parameters of a file.
        name: The run's name.
        experiment: The experiment.
        service_account: Whom tasks run as.
        pipeline_root: The URI below which artifacts lie.
        platform: A platform settings file.
        caching: False: no task may be taken from the cache.
        labels: The run's labels.
        once: Whether the name is the run's alone.
    """

    texts: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    experiment: str = ""
    service_account: str = ""
    pipeline_root: str = ""
    platform: Path | None = None
    caching: bool | None = None
    labels: dict[str, str] = field(default_factory=dict)
    once: bool = False


def make_submission(
    pipeline: PipelineFile, options: SubmissionOptions, settings: Settings, backend: str
) -> tuple[Submission, list[Finding]]:
    """Returns what a backend is to be sent, and what is worth knowing about it.

    Args:
        pipeline: The compiled file.
        options: What the user gives.
        settings: What is set for the backend.
        backend: `kubeflow` or `vertex`.

    Raises:
        UserError: The backend would refuse it, or do something else than what the file says.
    """
    given = _parameters(pipeline, options, settings, backend)
    check_names(pipeline.document, given)
    parameters = with_packed(pipeline.document, given)
    place = _platform_file(options.platform, settings, backend)
    resources = accelerator_resources(place) if place else {}
    resolved = accelerators.resolve(pipeline, pipeline.document, parameters, backend, resources)
    spec, values = portable(resolved.spec, resolved.parameters)
    submission = Submission(
        pipeline=pipeline,
        spec=spec,
        platform=_platform(pipeline, place, resolved),
        parameters=values,
        name=options.name or f"{pipeline.name}-{datetime.now(timezone.utc):%Y%m%d%H%M%S}",
        experiment=options.experiment or settings.experiment,
        service_account=options.service_account or settings.service_account,
        pipeline_root=options.pipeline_root or settings.pipeline_root,
        caching=options.caching,
        labels=options.labels,
        once=options.once,
    )
    return submission, _checked(submission, backend)


def package(pipeline: PipelineFile, name: str, platform: Path | None, settings: Settings, backend: str) -> tuple[Submission, list[Finding]]:
    """Returns what a backend's list of pipelines is to be sent: the file as it is, for runs that are made there.

    Args:
        pipeline: The compiled pipeline or component.
        name: The name in the list; empty for the pipeline's own.
        platform: A platform settings file.
        settings: What is set for the backend.
        backend: `kubeflow` or `vertex`.

    Raises:
        UserError: The backend would refuse it, or do something else than what the file says.
    """
    resolved = accelerators.Resolved(pipeline.document, {}, {})
    document = _platform(pipeline, _platform_file(platform, settings, backend), resolved)
    spec, _ = portable(resolved.spec, {})
    submission = Submission(pipeline, spec, document, {}, name or pipeline.name)
    return submission, _checked(submission, backend)


def _parameters(pipeline: PipelineFile, options: SubmissionOptions, settings: Settings, backend: str) -> dict[str, Any]:
    """Checks the parameters against the pipeline's inputs; those of the context count where the pipeline has them."""
    inputs = pipeline.spec.root.input_definitions
    if inputs.artifacts:
        raise UserError(
            f"{pipeline.path.name} takes the artifact {next(iter(inputs.artifacts))}, which a run on {backend} cannot receive: "
            "use a parameter with a URI, and import it in the pipeline"
        )
    of_context = {name: value for name, value in settings.parameters.items() if name in inputs.parameters and name not in options.texts}
    return pipeline.arguments(options.texts, of_context | options.values)


def _platform_file(given: Path | None, settings: Settings, backend: str) -> Path | None:
    of_context: str = getattr(settings, "platform", "")
    place = str(given or of_context)
    if place and backend != "kubeflow":
        raise UserError(f"{place} is for Kubernetes, but {backend} does not run pods: omit --platform")
    return Path(place) if place else None


def _platform(pipeline: PipelineFile, place: Path | None, resolved: accelerators.Resolved) -> dict[str, Any] | None:
    """Returns the platform document: of settings, else the file's own."""
    if place is None:
        return pipeline.platform
    if pipeline.platform:
        raise UserError(f"{pipeline.path.name} contains a platform document: omit {place}, or compile without kfp-kubernetes")
    from .platform import platform_spec

    return platform_spec(place, resolved.spec, resolved.accelerators)


def _checked(submission: Submission, backend: str) -> list[Finding]:
    if backend == "kubeflow":
        _check_texts(submission)
    documents = [submission.spec, *filter(None, [submission.platform])]
    findings = lint("\n---\n".join(map(json.dumps, documents)), [backend], submission.parameters)
    if errors := [finding for finding in findings if finding.severity == "error"]:
        raise UserError(f"{submission.pipeline.path.name} cannot run on {backend}: {_described(errors)}; nothing was sent")
    return findings


def _check_texts(submission: Submission) -> None:
    """Refuses texts that Kubeflow cannot store: the run would never be reported as ended."""
    label = " ".join(text for pair in submission.labels.items() for text in pair)
    for what, text in {"name": submission.name, "experiment": submission.experiment, "label": label}.items():
        if found := WIDE.search(text):
            raise UserError(f"the {what} contains {found[0]!r} (U+{ord(found[0]):X}), which Kubeflow cannot store; remove it")


def _described(findings: Iterable[Finding]) -> str:
    return "; ".join(f"{finding.place}: {finding.message} ({finding.rule})" for finding in findings)

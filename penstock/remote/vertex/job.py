"""A submission as a `PipelineJob`, created by `aiplatform.PipelineJob` from a separate file."""

import re
import secrets
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from google.cloud.aiplatform_v1 import CreatePipelineJobRequest, PipelineJob

from ...errors import UserError
from ..settings import VertexSettings
from ..target import Submission

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
# Patterns and limits: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
_LABEL = re.compile(r"[\w-]{1,63}")
_NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")
_KEY = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+")
_EXPERIMENT = re.compile(r"[a-z0-9][-a-z0-9]{0,127}")
_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
_LONGEST_ID = 128
_LONGEST_NAME = 128
_LONGEST_LABEL, _MOST_LABELS = 63, 64


def make_request(submission: Submission, settings: VertexSettings, parent: str) -> CreatePipelineJobRequest:
    """Returns the request that makes the run. Its ID is new, or of a run that is made once the name: a repeated request makes no second run.

    Args:
        submission: What to run.
        settings: Where and how.
        parent: The location's resource name.

    Raises:
        UserError: Vertex AI takes no such run.
    """
    if submission.once and not _ID.fullmatch(submission.name):
        raise UserError(
            f"the name {submission.name!r} cannot be the ID of a run on Vertex AI: use at most 128 lowercase letters, digits and `-`, and "
            "begin with a letter"
        )
    run_id = submission.name if submission.once else _new_id(submission.pipeline.name)
    return CreatePipelineJobRequest(parent=parent, pipeline_job=make_job(submission, settings, run_id), pipeline_job_id=run_id)


def make_job(submission: Submission, settings: VertexSettings, run_id: str = "") -> PipelineJob:
    """Returns the run; connects to nothing.

    Args:
        submission: What to run.
        settings: Where and how.
        run_id: Its ID; empty for the runs of a schedule.

    Raises:
        UserError: Vertex AI takes no such run.
    """
    labels = _labels(submission, settings, run_id)
    _check(submission, settings, labels)
    with TemporaryDirectory() as folder:
        template = Path(folder) / "pipeline.yaml"
        # Not JSON, although Google's client takes it: it reads all files as YAML 1.1, where `1e-06` is text.
        template.write_text(yaml.dump(submission.spec, Dumper=_DUMPER, sort_keys=False), encoding="utf-8")
        try:
            made = aiplatform.PipelineJob(
                display_name=submission.name,
                template_path=str(template),
                pipeline_root=_pipeline_root(submission),
                parameter_values=submission.parameters,
                enable_caching=submission.caching,
                failure_policy=settings.failure_policy,
                project=settings.project,
                location=settings.location,
                credentials=AnonymousCredentials(),
            )
        except ValueError as error:
            raise UserError(f"Vertex AI rejects the run of {submission.pipeline.path.name}: {error}") from error
    return PipelineJob(
        display_name=submission.name,
        pipeline_spec=made.pipeline_spec,
        runtime_config=made.runtime_config,
        labels=labels,
        service_account=submission.service_account,
        network=settings.network,
        encryption_spec={"kms_key_name": settings.encryption_key} if settings.encryption_key else None,
    )


def _labels(submission: Submission, settings: VertexSettings, run_id: str) -> dict[str, str]:
    """Returns the labels of a run, which Vertex AI passes on to its jobs, and so to the bill."""
    pipeline = re.sub(r"[^a-z0-9_-]+", "-", submission.pipeline.name.lower())[:_LONGEST_LABEL]
    ours = {"penstock_pipeline": pipeline} | ({"penstock_run": run_id[-_LONGEST_LABEL:]} if run_id else {})
    return ours | settings.labels | submission.labels


def _check(submission: Submission, settings: VertexSettings, labels: dict[str, str]) -> None:
    if submission.platform:
        raise UserError(
            "platform settings are for Kubernetes, and Vertex AI does not accept them: omit --platform, or compile without kfp-kubernetes"
        )
    if len(submission.name) > _LONGEST_NAME:
        raise UserError(f"the name of a run has at most {_LONGEST_NAME} characters: give a shorter --name")
    if len(labels) > _MOST_LABELS:
        raise UserError(
            f"a run has at most {_MOST_LABELS} labels, of which Penstock needs two: give fewer --label, or fewer in penstock.toml"
        )
    for key, value in labels.items():
        if not _is_label(key) or (value and not _is_label(value)):
            raise UserError(f"label {key}={value}: a label has at most 63 lowercase letters, digits, `_` and `-`")
    if settings.network and not _NETWORK.fullmatch(settings.network):
        raise UserError(f"network {settings.network!r} is invalid; give projects/NUMBER/global/networks/NAME")
    _check_key(settings)
    if submission.experiment and not _EXPERIMENT.fullmatch(submission.experiment):
        raise UserError(
            f"experiment {submission.experiment!r} is invalid on Vertex AI: use at most 128 lowercase letters, digits and `-`, and do not "
            "start with `-`"
        )


def _is_label(text: str) -> bool:
    return bool(_LABEL.fullmatch(text)) and text == text.lower()


def _check_key(settings: VertexSettings) -> None:
    if not settings.encryption_key:
        return
    key = _KEY.fullmatch(settings.encryption_key)
    if not key:
        raise UserError(f"encryption_key {settings.encryption_key!r} is invalid; give projects/P/locations/L/keyRings/R/cryptoKeys/K")
    if key["location"] != settings.location:
        raise UserError(f"encryption_key is in {key['location']}, but the runs are in {settings.location}: give a key of the same region")


def _pipeline_root(submission: Submission) -> str:
    root = submission.pipeline_root or submission.spec.get("defaultPipelineRoot", "")
    if not root:
        raise UserError("Vertex AI needs a pipeline root: give --pipeline-root gs://BUCKET/FOLDER, or pipeline_root in penstock.toml")
    if not re.fullmatch(r"gs://[a-z0-9][-_.a-z0-9]+(/.*)?", root):
        raise UserError(f"pipeline root {root} is not in Cloud Storage: give gs://BUCKET/FOLDER")
    return root


def _new_id(name: str) -> str:
    """Makes an ID as Vertex AI's own are, which no other run has (`[a-z][-a-z0-9]{0,127}`)."""
    suffix = f"-{datetime.now(timezone.utc):%Y%m%d%H%M%S}-{secrets.token_hex(2)}"
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    start = words if words[:1].isalpha() else f"run-{words}".rstrip("-")
    return start[: _LONGEST_ID - len(suffix)] + suffix

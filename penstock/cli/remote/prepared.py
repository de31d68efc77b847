"""Prepares a submission from the options of a command."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import before_anything_starts
from ..options import name_value_pairs
from .options import connected

if TYPE_CHECKING:
    from ...lint import Finding
    from ...remote.submission import Submission, SubmissionOptions
    from ...remote.target import Target
    from ...spec.pipeline_file import PipelineFile


@dataclass(frozen=True)
class Prepared:
    """What a command sends, which the backend would take as far as can be known without asking.

    Attributes:
        target: The backend.
        pipeline: The compiled file.
        submission: What is to be sent.
        request: The same in the backend's form.
        findings: What is worth knowing about it.
    """

    target: "Target"
    pipeline: "PipelineFile"
    submission: "Submission"
    request: dict[str, Any]
    findings: "list[Finding]"


def prepare(file: Path, given: dict[str, Any]) -> Prepared:
    """Makes ready what a command sends.

    Args:
        file: The compiled file.
        given: The options of the command.

    Raises:
        WrongUsage: It would not be taken; nothing has been sent.
    """
    target, settings = connected(given)
    from ...remote.submission import make_submission
    from ...spec.pipeline_file import PipelineFile

    with before_anything_starts():
        pipeline = PipelineFile(file)
        submission, findings = make_submission(pipeline, _submission_options(given), settings, target.name)
        return Prepared(target, pipeline, submission, target.request(submission), findings)


def _submission_options(given: dict[str, Any]) -> "SubmissionOptions":
    from ...remote.submission import SubmissionOptions
    from ...spec.pipeline_file import read_values

    return SubmissionOptions(
        texts=name_value_pairs(given["texts"]),
        values=read_values(given["values_file"]) if given["values_file"] else {},
        caching=False if given["no_cache"] else None,
        labels=name_value_pairs(given.get("labels", ()), "--label"),
        once=given.get("once", False),
        **{name: given[name] for name in ("name", "experiment", "service_account", "pipeline_root", "platform")},
    )

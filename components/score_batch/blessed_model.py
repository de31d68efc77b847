"""The model that scores: an artifact or a registered version, and in either case a blessed one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.components.data.filesystems import explaining, fetch_folder
from penstock.components.evidence import blessing
from penstock.components.protocol import Input, TaskError, redact


@dataclass(frozen=True)
class BlessedModel:
    """A model that may score.

    Attributes:
        path: The SavedModel's folder.
        fingerprint: The fingerprint of its bytes.
        name: Its registered name; may be empty.
        version: Its version in the registry; empty where it comes from no registry.
        uri: Where it comes from.
    """

    path: Path
    fingerprint: str
    name: str
    version: str
    uri: str


@contextmanager
def found_evaluation(evaluation: Input | None, uri: str, scratch: Path) -> Iterator[Path | None]:
    """Gives the folder of the Evaluation, an artifact or at a URI; None where there is none.

    Raises:
        TaskError: Both are given, or the URI cannot be read.
    """
    if evaluation is not None and uri:
        raise TaskError("give the evaluation or evaluation_uri, not both")
    if evaluation is not None:
        evaluation.require_written()
        yield evaluation.path
    elif uri:
        folder = scratch / "evaluation"
        with explaining(f"the Evaluation at {redact(uri)} cannot be read", "correct evaluation_uri"):
            fetch_folder(uri, folder)
        yield folder
    else:
        yield None


def given_model(model: Input, evaluation: Path | None, name: str) -> BlessedModel:
    """Returns a model artifact, if the Evaluation blesses it.

    Raises:
        TaskError: There is no Evaluation, or it blesses none, or another model.
    """
    model.require_written()
    if evaluation is None:
        raise TaskError("the model has no evaluation; give the Evaluation that blesses it (evaluation or evaluation_uri)")
    blessing.require_blessing(model, evaluation)
    return BlessedModel(model.path, model.fingerprint, name, str(model.metadata.get("version", "")), redact(model.uri))


def registered_model(name: str, alias: str, evaluation: Path | None, tracking_uri: str, registry_uri: str, scratch: Path) -> BlessedModel:
    """Resolves an alias, once, and fetches the version.

    Raises:
        TaskError: No version has the alias, it was registered without a blessing, its bytes are not those that were registered, or the
            Evaluation blesses another model.
    """
    if not name:
        raise TaskError("no model is given; give the model with its evaluation, or model_name and alias")
    from penstock.components.release.registry import BrokenVersion, Lineage, fetch_version, open_registry  # MLflow takes a second

    version = open_registry(name, tracking_uri, registry_uri).resolve(alias)
    if version is None:
        raise TaskError(f"no version of {name} has the alias {alias}; release a model, or name another alias")
    verdict = Lineage.from_tags(version.tags).blessing
    if not version.fingerprint or verdict != "blessed":
        raise TaskError(
            f"version {version.version} of {name} was registered without a blessing (the registry says {verdict!r}); only a blessed model "
            "may score: register one with register_model"
        )
    if evaluation is not None:
        blessed = blessing.field(blessing.read_blessing(evaluation, "only a blessed model may score"), "model", "fingerprint")
        if blessed != version.fingerprint:
            raise TaskError(
                f"the Evaluation blesses the model {str(blessed)[:12]}, and {alias} of {name} is version {version.version} with the "
                f"fingerprint {version.fingerprint[:12]}; give the Evaluation of that version"
            )
    try:
        fetch_version(version, scratch / "model")
    except BrokenVersion as error:
        raise TaskError(f"{name} cannot be scored with: {error}; restore it, or move the alias {alias}") from error
    return BlessedModel(scratch / "model", version.fingerprint, name, version.version, redact(version.source))

"""Gates: what is left of one that has closed."""

from collections.abc import Iterator

from ...spec.document import Document, known_value
from ..registry import warning
from .links import SOURCE

_GATE, _PARAMETER, _KEPT = "validate_examples", "on_anomalies", "warn"


@warning("lost-evidence", "kubeflow", link=f"{SOURCE}backend/src/v2/component/launcher_v2.go")
def lost_evidence(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow keeps nothing of a gate whose task fails but its log.

    The launcher uploads what a task has made when it has ended well. validate_examples with `on_anomalies="fail"`, its default, fails where it finds an
    Anomaly, and its page, Statistics and Anomalies are gone with the pod. Say `on_anomalies="warn"`, give its `anomalies` to require_verdict, which fails in its
    place, and let what follows be `.after` that. On Vertex AI and locally the evidence is kept either way.
    """
    from ...spec.containers import components_in

    for task in document.tasks():
        if _GATE not in components_in(document.command_of(task)):
            continue
        origins = [origin for _, origin in document.origins(task.component_name, _PARAMETER)]
        if any(known_value(origin) != _KEPT for origin in origins):
            yield (
                task.place,
                f"where it finds Anomalies, only its log is kept; say {_PARAMETER}={_KEPT!r}, and put require_verdict after it",
            )

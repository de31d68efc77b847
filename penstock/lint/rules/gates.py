"""Gates: what is left of one that has closed."""

from collections.abc import Iterator

from ...spec.document import Document, known_value
from ..registry import warning
from .links import SOURCE

_GATE, _PARAMETER, _KEPT = "validate_examples", "on_anomalies", "warn"


@warning("lost-evidence", "kubeflow", link=f"{SOURCE}backend/src/v2/component/launcher_v2.go")
def lost_evidence(document: Document) -> Iterator[tuple[str, str]]:
    """Kubeflow keeps only the log of a gate whose task fails.

    The launcher uploads outputs only if the task succeeds. With `on_anomalies="fail"`, the default, validate_examples fails if it finds an
    Anomaly, and its page, Statistics and Anomalies are lost with the pod. Set `on_anomalies="warn"`, pass its `anomalies` to
    require_verdict, which fails instead, and run the next tasks `.after` that. Vertex AI and `penstock run` keep the evidence in both
    cases.
    """
    from ...spec.containers import components_in

    for task in document.tasks():
        if _GATE not in components_in(document.command_of(task)):
            continue
        origins = [origin for _, origin in document.origins(task.component_name, _PARAMETER)]
        if any(known_value(origin) != _KEPT for origin in origins):
            yield (
                task.place,
                f"if it finds Anomalies, Kubeflow keeps only its log; set {_PARAMETER}={_KEPT!r}, and add require_verdict after it",
            )

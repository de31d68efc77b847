"""The KFP interface of require_verdict."""

from kfp import dsl
from kfp.dsl import Artifact, Input, OutputPath

from penstock.components.container import container


@dsl.container_component
def require_verdict(evidence: Input[Artifact], verdict: OutputPath(str), on_failure: str = "fail"):
    """Fails if a gate has not passed.

    The gate's own task succeeds and keeps its evidence on every backend. This task reads the evidence and stops the run.

    Args:
        evidence: The evidence of a gate: the Anomalies of validate_examples, the Evaluation of evaluate_model or the serving
            check of check_serving.
        verdict: The verdict of the gate: `passed` or `blessed`. With `on_failure` `warn`, it can also be a negative verdict.
        on_failure: The behavior if the gate has not passed. `fail`: the task fails with the gate's reason. `warn`: the task
            logs the reason and succeeds.
    """
    return container("deploy", "require_verdict")

"""The KFP interface of require_verdict."""

from kfp import dsl
from kfp.dsl import Artifact, Input, OutputPath

from penstock.components.container import container


@dsl.container_component
def require_verdict(evidence: Input[Artifact], verdict: OutputPath(str), on_failure: str = "fail"):
    """Fails where a gate has not passed. The gate's own task has succeeded, so that every backend has kept its evidence.

    Args:
        evidence: What a gate has written: validate_examples' Anomalies, evaluate_model's evaluation or check_serving's serving check.
        verdict: What the gate has said: `passed` or `blessed`; another word where `on_failure` is `warn`.
        on_failure: `fail`: the task fails, with the gate's reason, unless the gate has passed. `warn`: it says so and goes on.
    """
    return container("deploy", "require_verdict")

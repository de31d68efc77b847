"""The KFP interface of check_eval_config."""

from kfp import dsl
from kfp.dsl import Dataset, Input

from penstock.components.container import container


@dsl.container_component
def check_eval_config(examples: Input[Dataset], eval_config: str, eval_split: str = "eval"):
    """Gate: validates the EvalConfig before the training, so that evaluate_model does not fail after it.

    The gate fails if the EvalConfig is invalid or names columns that the Examples do not have. evaluate_model checks what
    depends on the model: its signatures, its outputs and, with `preprocessing_function_names`, the columns that these functions
    create.

    Args:
        examples: The raw Examples that evaluate_model will evaluate.
        eval_config: TFMA's EvalConfig, in the form that evaluate_model accepts. The reference of evaluate_model lists the
            supported fields.
        eval_split: The Split that evaluate_model will evaluate.
    """
    return container("tf", "check_eval_config")

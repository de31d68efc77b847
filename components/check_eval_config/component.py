"""The KFP interface of check_eval_config."""

from kfp import dsl
from kfp.dsl import Dataset, Input

from penstock.components.container import container


@dsl.container_component
def check_eval_config(examples: Input[Dataset], eval_config: str, eval_split: str = "eval"):
    """Gate: fails before the training where evaluate_model would fail after it: an EvalConfig that is wrong, or asks for what the Examples lack.

    What only a model can tell is left to evaluate_model: its signatures, its outputs, and, where `preprocessing_function_names` is
    set, which columns these functions make.

    Args:
        examples: The raw Examples that will be evaluated.
        eval_config: TFMA's EvalConfig as evaluate_model takes it; its page says which fields are supported.
        eval_split: The Split that will be evaluated.
    """
    return container("tf", "check_eval_config")

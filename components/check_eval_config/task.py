"""The work of check_eval_config."""

import os

# As evaluate_model, for TFMA's sake.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from penstock.components.evidence.eval_config import check_labels, parse_eval_config, require_columns, slicing_columns, spec_columns
from penstock.components.protocol import Input, figure


def check_eval_config(examples: Input, eval_config: str, eval_split: str = "eval") -> None:
    """Checks an EvalConfig against the Examples; the interface's docstring says what the parameters mean.

    Raises:
        TaskError: The configuration is wrong, or the Examples lack what it names.
    """
    config = parse_eval_config(eval_config)
    named = slicing_columns(config).union(*(spec_columns(spec) for spec in config.model_specs))
    is_transformed = any(spec.preprocessing_function_names for spec in config.model_specs)
    require_columns([] if is_transformed else named, examples.path, eval_split)
    check_labels(config, examples.path, eval_split)
    figure(f"{sum(len(spec.metrics) for spec in config.metrics_specs)} metrics of {', '.join(sorted(named))}")

"""The components' interfaces, by name: `from penstock.components import train_model`.

They are imported when asked for, so that a container that runs one task needs no kfp.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # else a type checker takes each for the package of the same name
    from .check_eval_config.component import check_eval_config
    from .check_serving.component import check_serving
    from .choose_hyperparameters.component import choose_hyperparameters
    from .choose_response.component import choose_response
    from .compare_features.component import compare_features
    from .control_release.component import control_release
    from .evaluate_model.component import evaluate_model
    from .find_span.component import find_span
    from .ingest_examples.component import ingest_examples
    from .materialize_features.component import materialize_features
    from .monitor_model.component import monitor_model
    from .push_model.component import push_model
    from .register_model.component import register_model
    from .require_verdict.component import require_verdict
    from .resolve_baseline.component import resolve_baseline
    from .retrieve_features.component import retrieve_features
    from .score_batch.component import score_batch
    from .train_model.component import train_model
    from .transform_examples.component import transform_examples
    from .trigger_training.component import trigger_training
    from .tune_model.component import tune_model
    from .validate_examples.component import validate_examples

__all__ = [  # noqa: RUF022 - in the order of the path
    "ingest_examples",
    "retrieve_features",
    "validate_examples",
    "require_verdict",
    "check_eval_config",
    "transform_examples",
    "tune_model",
    "choose_hyperparameters",
    "train_model",
    "resolve_baseline",
    "evaluate_model",
    "check_serving",
    "register_model",
    "push_model",
    "control_release",
    "materialize_features",
    "compare_features",
    "monitor_model",
    "score_batch",
    "choose_response",
    "find_span",
    "trigger_training",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    component = getattr(importlib.import_module(f"{__name__}.{name}.component"), name)
    globals()[name] = component  # over the subpackage of the same name, which importing it has put here
    return component

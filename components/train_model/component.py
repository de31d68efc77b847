"""The KFP interface of train_model."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output, OutputPath

from penstock.components.container import container


@dsl.container_component
def train_model(
    examples: Input[Dataset],
    transform_graph: Input[Artifact],
    schema: Input[Artifact],
    model: Output[Model],
    training_logs: Output[Artifact],
    metrics: Output[Metrics],
    tracking_run_id: OutputPath(str),
    module_file: str,
    run_fn: str = "run_fn",
    train_split: str = "train",
    eval_split: str = "eval",
    train_steps: int = 0,
    eval_steps: int = 0,
    hyperparameters: dict = {},  # noqa: B006 - kfp reads it, nobody changes it
    custom_config: dict = {},  # noqa: B006
    base_model: str = "",
    seed: int = 0,
    mixed_precision: bool = False,
    xla: bool = False,
    tracking_uri: str = "",
    experiment: str = "penstock",
):
    """Trains a model with a TFX `run_fn(fn_args)`, on every visible GPU or on the CPU, and tracks the run in MLflow.

    Args:
        examples: The transformed Examples to train on.
        transform_graph: The TransformGraph that made them.
        schema: The Schema of the raw Examples.
        model: The exported SavedModel (what `run_fn` wrote to `fn_args.serving_model_dir`). Where there are several GPUs, MirroredStrategy
            shares the batches among them, unless the module makes a strategy of its own; the metadata's `strategy` names it.
        training_logs: What `run_fn` wrote to `fn_args.model_run_dir`: TensorBoard logs.
        metrics: The last value of every metric that was logged.
        tracking_run_id: The MLflow run.
        module_file: The module that defines `run_fn`: source (packed or plain), or the path or URI of a
            file, with what it imports of its folder, of a folder or of a wheel (`NAME@` before it names a module in it).
        run_fn: The function's name.
        train_split: The Split behind `fn_args.train_files`.
        eval_split: The Split behind `fn_args.eval_files`.
        train_steps: `fn_args.train_steps`; 0 leaves it to the module (None).
        eval_steps: `fn_args.eval_steps`; 0 leaves it to the module (None).
        hyperparameters: `fn_args.hyperparameters`; logged.
        custom_config: `fn_args.custom_config`.
        base_model: Path or URI of a SavedModel to start from: `fn_args.base_model`. Empty: None.
        seed: Seeds Python, NumPy and TensorFlow; makes a run on a CPU repeatable.
        mixed_precision: Sets Keras's `mixed_float16` policy.
        xla: Turns TensorFlow's XLA just-in-time compiler on.
        tracking_uri: MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        experiment: The MLflow experiment.
    """
    return container("tf-gpu", "train_model")

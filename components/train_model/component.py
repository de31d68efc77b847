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
    hyperparameters: dict = {},  # noqa: B006 - kfp reads the default, and nothing changes it
    custom_config: dict = {},  # noqa: B006
    base_model: str = "",
    seed: int = 0,
    mixed_precision: bool = False,
    xla: bool = False,
    tracking_uri: str = "",
    experiment: str = "penstock",
    workers: int = 1,
    workers_at: str = "",
    checkpoint_uri: str = "",
):
    """Trains a model with a TFX `run_fn(fn_args)`, on every visible GPU or on the CPU, and tracks the run in MLflow.

    Args:
        examples: The transformed Examples to train on.
        transform_graph: The TransformGraph that created them.
        schema: The Schema of the raw Examples.
        model: The SavedModel that `run_fn` wrote to `fn_args.serving_model_dir`. With several GPUs, MirroredStrategy
            distributes the batches unless the module creates its own strategy. `strategy` in the metadata names the strategy.
            Defaults that the Schema names for missing values are in `assets.extra/feature_defaults.json`, for the model server.
        training_logs: The files that `run_fn` wrote to `fn_args.model_run_dir`: TensorBoard logs.
        metrics: The last value of every logged metric.
        tracking_run_id: The MLflow run.
        module_file: The module that defines `run_fn`: source text (packed or plain), or the path or URI of a file, a folder or
            a wheel. A file may import other files of its folder. `NAME@` before a folder or a wheel selects a module in it.
        run_fn: The name of the function.
        train_split: The Split for `fn_args.train_files`.
        eval_split: The Split for `fn_args.eval_files`.
        train_steps: `fn_args.train_steps`. 0: None, so that the module decides.
        eval_steps: `fn_args.eval_steps`. 0: None, so that the module decides.
        hyperparameters: `fn_args.hyperparameters`. The task logs them.
        custom_config: `fn_args.custom_config`.
        base_model: Path or URI of a SavedModel to start from: `fn_args.base_model`. Empty: None.
        seed: The seed for Python, NumPy and TensorFlow. It makes a run on a CPU repeatable.
        mixed_precision: Whether to set Keras's `mixed_float16` policy.
        xla: Whether to use TensorFlow's XLA just-in-time compiler.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        experiment: The MLflow experiment.
        workers: The number of workers that train together, each on the devices that it sees. With more than one,
            MultiWorkerMirroredStrategy distributes the batches.
        workers_at: Where the workers run. `local://` or empty: processes in the task's own container.
            `kubeflow://NAMESPACE?runtime=penstock`: pods of a TrainJob of Kubeflow Trainer v2, with a TrainingRuntime of
            that namespace. `vertex://PROJECT/LOCATION?machine_type=n1-standard-4&accelerator_type=NVIDIA_TESLA_T4&accelerator_count=1`:
            replicas of a CustomJob of Vertex AI.
        checkpoint_uri: Path or URI of a folder for checkpoints, such as `gs://bucket/checkpoints`; several trainings may share it. A
            module that gives `fn_args.callbacks` to `Model.fit` goes on from the last step if the task is ended and runs again with the
            same inputs. The checkpoints are removed when the task succeeds. Empty: none.
    """
    return container("tf-gpu", "train_model")

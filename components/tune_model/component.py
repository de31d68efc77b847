"""The KFP interface of tune_model."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output, OutputPath

from penstock.components.container import container


@dsl.container_component
def tune_model(
    examples: Input[Dataset],
    transform_graph: Input[Artifact],
    schema: Input[Artifact],
    trials: Output[Artifact],
    metrics: Output[Metrics],
    report: Output[HTML],
    best_hyperparameters: OutputPath(dict),
    best_score: OutputPath(float),
    best_direction: OutputPath(str),
    tracking_run_id: OutputPath(str),
    module_file: str,
    search_space: dict = {},  # noqa: B006 - kfp reads the default, and nothing changes it
    hyperparameters: dict = {},  # noqa: B006
    objective: str = "val_loss",
    direction: str = "",
    algorithm: str = "bayesian",
    max_trials: int = 10,
    max_seconds: int = 0,
    early_stopping: bool = True,
    processes: int = 0,
    shard: int = 0,
    state_uri: str = "",
    run_fn: str = "run_fn",
    tuner_fn: str = "tuner_fn",
    train_split: str = "train",
    eval_split: str = "eval",
    train_steps: int = 0,
    eval_steps: int = 0,
    custom_config: dict = {},  # noqa: B006
    base_model: str = "",
    seed: int = 0,
    mixed_precision: bool = False,
    xla: bool = False,
    tracking_uri: str = "",
    experiment: str = "penstock",
):
    """Searches for the hyperparameters with which a TFX `run_fn(fn_args)` gives the best model, several trials at a time.

    With a `search_space`, each trial calls `run_fn` in a process of its own, with values from it:

    | `search_space` | Values |
    |---|---|
    | `"units": [[64], [128, 64]]` | one of the choices |
    | `"learning_rate": {"min": 0.0001, "max": 0.1, "log": true}` | a number, log-uniform |
    | `"dropout": {"min": 0.0, "max": 0.5, "step": 0.1}` | one of the numbers between min and max |
    | `"epochs": {"min": 1, "max": 8}` | a whole number. `"whole": false` makes it any number |

    A trial's score is the last value of the objective that `run_fn` logged, as in train_model: `Model.fit` logs the metrics of
    the last epoch, and `mlflow.log_metric` logs any other. With the same seed, train_model gives the same score on a CPU.

    Without a `search_space`, the task calls TFX's `tuner_fn(fn_args)`, which returns a `TunerFnResult`, and runs the search of its
    KerasTuner, distributed over processes. The tuner decides the search space, the objective, the number of trials and when to stop
    one, and its score is that of the best epoch. `hyperparameters`, `objective`, `direction`, `algorithm`, `max_trials`,
    `early_stopping` and `shard` do not apply. `fn_args.working_dir` is the folder for the tuner's `directory`; with `state_uri`, it is
    that folder, from which the tuner goes on.

    Args:
        examples: The transformed Examples to train on.
        transform_graph: The TransformGraph that created them.
        schema: The Schema of the raw Examples.
        trials: `trials.json` with every trial (values, score, seconds, status, metrics, the objective after each epoch, the reason
            of a failure), `logs` with the output of each, and `best_hyperparameters.txt`, as TFX's Tuner writes it.
        metrics: The best score, and the number of trials by status.
        report: A page with the trials, parallel coordinates, and the importance of each hyperparameter.
        best_hyperparameters: The best trial's hyperparameters, for `hyperparameters` of train_model: KerasTuner's config, whose
            `values` have the values by name.
        best_score: The best trial's score.
        best_direction: `min` or `max`: whether a lower or a higher score is better.
        tracking_run_id: The MLflow run of the search. Each trial is a child run of it.
        module_file: The module that defines `run_fn`, as in train_model.
        search_space: The hyperparameters to search, by name. Empty: the module's `tuner_fn` decides.
        hyperparameters: The values of the others. If it has a value for every searched name, the first trial uses these.
        objective: The metric to optimize: one that `run_fn` logs for the eval Split, such as `val_loss` or `val_auc`.
        direction: `min` or `max`. Empty: the objective's name says it (`loss`, `error` and so on; `auc`, `accuracy` and so on).
        algorithm: `bayesian` (a Gaussian process, after random trials) or `random`. Both are KerasTuner's.
        max_trials: The number of trials.
        max_seconds: After this time, trials that run are ended, and no other starts. 0: no limit.
        early_stopping: Whether to stop a trial after an epoch in which its best value of the objective is worse than the median
            of the trials that have completed.
        processes: The number of trials that run at a time. 0: one per GPU, or one per core without a GPU.
        shard: The number of this search among several that run side by side. Each has its own random numbers, and only 0 starts
            from `hyperparameters`.
        state_uri: Path or URI of a folder for the state of the search. A task that starts with it goes on where an earlier one
            ended. Each shard has a file of its own there. Empty: none.
        run_fn: The name of the function that a trial calls.
        tuner_fn: The name of the function that gives a tuner.
        train_split: The Split for `fn_args.train_files`.
        eval_split: The Split for `fn_args.eval_files`.
        train_steps: `fn_args.train_steps`. 0: None, so that the module decides.
        eval_steps: `fn_args.eval_steps`. 0: None, so that the module decides.
        custom_config: `fn_args.custom_config`.
        base_model: Path or URI of a SavedModel to start from: `fn_args.base_model`. Empty: None.
        seed: The seed of every trial and of the search.
        mixed_precision: Whether to set Keras's `mixed_float16` policy.
        xla: Whether to use TensorFlow's XLA just-in-time compiler.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        experiment: The MLflow experiment.
    """
    return container("tf-gpu", "tune_model")

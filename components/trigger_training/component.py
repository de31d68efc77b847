"""The KFP interface of trigger_training."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Output, OutputPath

from penstock.components.container import container, never_cached


@never_cached
@dsl.container_component
def trigger_training(
    decision: Output[Artifact],
    outcome: OutputPath(str),
    run_id: OutputPath(str),
    training_pipeline: str,
    runs_at: str,
    monitoring: Input[Artifact] = None,
    span: str = "",
    parameters: dict = {},  # noqa: B006 - kfp reads the default, and nothing changes it
    train_days: int = 365,
    verdicts_in_a_row: int = 1,
    cooldown_hours: float = 24.0,
    max_runs: int = 4,
    max_runs_days: float = 30.0,
    model_name: str = "",
    alias: str = "champion",
    tracking_uri: str = "",
    registry_uri: str = "",
):
    """Starts a training because a model has become worse or new data has come, unless one was started already.

    Give `monitoring` or `span`. The task starts at most one run for the same pipeline, champion, data and reason. The list of
    runs of the place where the training runs is the only memory. The outcome is the first of these that is true:

    | Outcome | Meaning |
    |---|---|
    | `not_needed` | The verdict is `ok` or `skewed`, there is no Span, or the verdict is about another model than the champion. |
    | `waiting` | The verdict is not `verdicts_in_a_row` windows old (`trend_windows` of monitor_model). |
    | `already_triggered` | The run exists. |
    | `already_running` | A training that this task has started is running. |
    | `same_episode` | A training has been started since the last verdict `ok` of this champion. Its candidate was not better. |
    | `cooling_down` | A training has been started in the last `cooldown_hours`. |
    | `limit_reached` | `max_runs` trainings have been started in the last `max_runs_days`. |
    | `triggered` | The run was started. |

    The name of the run begins with `retrain-` and the name of the pipeline. The reason is a label of the run (on Kubeflow its
    description), and the parameter `reason` if the pipeline has it.

    Args:
        decision: `decision.json` with the outcome, the reason, the run and its parameters.
        outcome: See above.
        run_id: The ID of the run that was started or found; empty if there is none.
        training_pipeline: Path or URI of the compiled training pipeline, its text, or the name of one of Penstock's, such as
            `training`.
        runs_at: Where the training runs: `local://FOLDER` (the `--root` of `penstock run`), `kubeflow://` (the installation that
            this task runs in) or `vertex://PROJECT/LOCATION`. Options: `host` and `namespace` for Kubeflow; `experiment`,
            `pipeline_root` and `service_account` for both, such as
            `vertex://my-project/europe-west4?pipeline_root=gs://my-bucket/runs`.
        monitoring: The monitoring of monitor_model.
        span: The new Span, from find_span.
        parameters: The parameters of the training. `{span}`, `{window_start}`, `{window_end}`, `{train_start}` (`train_days` before
            the end of the window) and `{reason}` in texts are replaced; times are dates such as `2026-11-30`.
        train_days: The length of the data to train on, for `{train_start}`.
        verdicts_in_a_row: The number of windows in a row that must have a verdict other than `ok`.
        cooldown_hours: The hours between two trainings. 0: none.
        max_runs: The most trainings in `max_runs_days`. 0: any number.
        max_runs_days: See `max_runs`.
        model_name: The name of the registered model, whose `alias` names the champion. Empty: the model of `monitoring`.
        alias: The alias of the model that serves.
        tracking_uri: URI of MLflow's tracking server. Empty: `MLFLOW_TRACKING_URI`.
        registry_uri: URI of the model registry: MLflow's, or `vertex://PROJECT/LOCATION`. Empty: the tracking server's.
    """
    return container("deploy", "trigger_training")

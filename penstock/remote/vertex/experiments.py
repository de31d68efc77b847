"""Experiments: a run belongs to one where ML Metadata has its context below the experiment's."""

import time

from google.cloud import aiplatform

from ...errors import UserError
from .api import PipelinesApi

_PAUSE_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0


def ensure_experiment(api: PipelinesApi, name: str) -> str:
    """Returns an experiment's resource name. Creates the experiment, and the metadata store under the runs' key, if they do not exist.

    Raises:
        UserError: ML Metadata has something else by that name, such as a pipeline.
        GoogleAPICallError: The service refuses.
    """
    aiplatform.init(
        project=api.project,
        location=api.location,
        credentials=api.credentials,
        api_endpoint=api.host,
        api_transport=api.transport,
        encryption_spec_key_name=api.encryption_key or None,
    )
    try:
        return aiplatform.Experiment.get_or_create(name).resource_name
    except ValueError as error:
        raise UserError(
            f"{name} is not an experiment: ML Metadata has another resource with that name; choose another name ({error})"
        ) from error


def add_run(api: PipelinesApi, experiment: str, run: str) -> None:
    """Puts a run into an experiment, as soon as ML Metadata knows the run.

    Args:
        api: Who asks.
        experiment: The experiment's resource name.
        run: The run's.

    Raises:
        UserError: ML Metadata does not know the run after a minute, or refuses.
    """
    with api.doing("put the run into its experiment"):
        until = time.monotonic() + _PATIENCE_SECONDS
        while not (context := _context(api, run)):
            if time.monotonic() > until:
                raise UserError("ML Metadata does not know the run yet; aiplatform.log(pipeline_job=...) does it later")
            time.sleep(_PAUSE_SECONDS)
        api.call(api.metadata.add_context_children, {"context": experiment, "child_contexts": [context]})


def _context(api: PipelinesApi, run: str) -> str:
    job = api.call(api.jobs.get_pipeline_job, {"name": run})
    return job.job_detail.pipeline_run_context.name

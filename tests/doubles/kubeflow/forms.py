"""The API's form of what the server keeps: protobuf's JSON with the names of the proto file, and nothing that is empty."""

from typing import Any

from .nodes import details, moment
from .records import Experiment, Pipeline, RecurringRun, Run, Source, Version

Form = dict[str, Any]


def experiment(record: Experiment) -> Form:
    """Returns an `Experiment`."""
    return _full(
        experiment_id=record.id,
        display_name=record.name,
        description=record.description,
        created_at=moment(record.created),
        namespace=record.namespace,
        storage_state="ARCHIVED" if record.is_archived else "AVAILABLE",
        last_run_created_at=moment(record.last_run),
    )


def pipeline(record: Pipeline) -> Form:
    """Returns a `Pipeline`."""
    return _full(
        pipeline_id=record.id,
        name=record.name,
        display_name=record.display_name,
        description=record.description,
        created_at=moment(record.created),
        namespace=record.namespace,
        tags=record.tags,
    )


def version(record: Version) -> Form:
    """Returns a `PipelineVersion`."""
    return _full(
        pipeline_id=record.pipeline.id,
        pipeline_version_id=record.id,
        name=record.name,
        display_name=record.display_name,
        description=record.description,
        created_at=moment(record.created),
        pipeline_spec=record.template.document,
        tags=record.tags,
    )


def run(record: Run) -> Form:
    """Returns a `Run`, with its tasks, as the server also does in a list."""
    record.report()
    tasks = details(record)
    return _full(
        experiment_id=record.experiment.id,
        run_id=record.id,
        recurring_run_id=record.recurring_id,
        display_name=record.name,
        description=record.description,
        service_account=record.service_account,
        storage_state="ARCHIVED" if record.is_archived else "AVAILABLE",
        state=record.state,
        state_history=[{"update_time": moment(time), "state": state} for state, time in record.reported],
        created_at=moment(record.created),
        scheduled_at=moment(record.created),
        finished_at=moment(record.finished),
        run_details={"task_details": tasks} if tasks else {},
        **_source(record.source),
    )


def recurring(record: RecurringRun) -> Form:
    """Returns a `RecurringRun`. Whole numbers of 64 bits are text, as in protobuf's JSON."""
    form = _full(
        recurring_run_id=record.id,
        display_name=record.name,
        description=record.description,
        service_account=record.service_account,
        status="ENABLED" if record.is_enabled else "DISABLED",
        mode="ENABLE" if record.is_enabled else "DISABLE",
        created_at=moment(record.created),
        updated_at=moment(record.updated),
        max_concurrency=str(record.max_concurrency),
        no_catchup=record.no_catchup,
        trigger=record.trigger,
        namespace=record.experiment.namespace,
        experiment_id=record.experiment.id,
        **_source(record.source),
    )
    if record.pipeline:
        form.pop("pipeline_spec", None)
        form["pipeline_version_reference"] = {"pipeline_id": record.pipeline.id}
    return form


def _source(source: Source) -> Form:
    config = _full(parameters=source.parameters, pipeline_root=source.pipeline_root)
    if source.version:
        reference = {"pipeline_id": source.version.pipeline.id, "pipeline_version_id": source.version.id}
        return {"pipeline_version_reference": reference, "runtime_config": config}
    return {"pipeline_spec": source.template.document, "runtime_config": config}


def _full(**fields: Any) -> Form:
    return {name: value for name, value in fields.items() if value}

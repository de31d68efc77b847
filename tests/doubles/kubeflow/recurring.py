"""Recurring runs. Time does not pass here: a test says when a run is due."""

from collections.abc import Iterator
from typing import Any

import kfp_server_api

from . import cron, forms
from .access import Access
from .errors import internal, invalid, not_found, wrapping
from .experiments import Experiments
from .lists import page
from .pipelines import Pipelines
from .records import Records, RecurringRun, Run, Source, now
from .routing import Call, Route
from .runs import Runs
from .template import check_compiles, check_parameters, check_size

_FIELDS = {"id", "recurring_run_id", "name", "display_name", "created_at", "updated_at", "description"}
_MOST_AT_ONCE = 10


class RecurringRuns:
    """Answers calls about recurring runs."""

    def __init__(self, records: Records, access: Access, experiments: Experiments, pipelines: Pipelines, runs: Runs) -> None:
        self._records = records
        self._access = access
        self._experiments = experiments
        self._pipelines = pipelines
        self._runs = runs

    def routes(self) -> Iterator[Route]:
        """Yields what answers which call."""
        yield Route("POST", "/recurringruns", self._create)
        yield Route("GET", "/recurringruns", self._list)
        yield Route("GET", "/recurringruns/{recurring_id}", self._get)
        yield Route("DELETE", "/recurringruns/{recurring_id}", self._delete)
        yield Route("POST", "/recurringruns/{recurring_id}:enable", lambda call: self._enable(call, True))
        yield Route("POST", "/recurringruns/{recurring_id}:disable", lambda call: self._enable(call, False))

    def fire(self, recurring_id: str) -> Run | None:
        """Makes the run that is due; None if it is disabled, or as many as may are going on."""
        recurring = self._records.recurring[recurring_id]
        active = sum(run.recurring_id == recurring_id and not run.has_ended for run in self._records.runs.values())
        if not recurring.is_enabled or active >= recurring.max_concurrency:
            return None
        recurring.fired += 1
        source = recurring.source
        if recurring.pipeline:
            version = self._pipelines.latest(recurring.pipeline)
            source = Source(version.template, version, source.parameters, source.pipeline_root)
        name = f"{recurring.name}-{recurring.fired}"
        return self._runs.start(name, recurring.experiment, source, recurring.service_account, recurring_id=recurring_id)

    @wrapping("Failed to create a recurring run")
    def _create(self, call: Call) -> dict[str, Any]:
        body = call.body(kfp_server_api.V2beta1RecurringRun)
        _check_form(body)
        experiment = self._experiments.of_run(body.get("experiment_id", ""))
        self._check(call, experiment.namespace, "create", body["display_name"])
        reference = body.get("pipeline_version_reference") or {}
        source = self._runs.source(body)
        check_parameters(source.template, source.parameters)
        check_compiles(source.template)
        check_size(source.template)
        is_latest = bool(reference.get("pipeline_id")) and not reference.get("pipeline_version_id")
        recurring = RecurringRun(
            body["display_name"],
            experiment,
            source,
            source.version.pipeline if is_latest and source.version else None,
            body["trigger"],
            int(body["max_concurrency"]),
            bool(body.get("no_catchup")),
            body.get("mode") == "ENABLE",
            body.get("service_account", ""),
            body.get("description", ""),
        )
        self._records.recurring[recurring.id] = recurring
        return forms.recurring(recurring)

    @wrapping("Failed to list recurring runs")
    def _list(self, call: Call) -> dict[str, Any]:
        namespace, listed = self._experiments.asked_for(call)
        self._check(call, namespace, "list")
        rows = [forms.recurring(recurring) for recurring in self._records.recurring.values() if listed(recurring.experiment)]
        found, total, token = page(rows, call.query, _FIELDS, "recurring_run_id", "Job")
        return {"recurringRuns": found, "total_size": total, "next_page_token": token}

    @wrapping("Failed to fetch a recurring run")
    def _get(self, call: Call) -> dict[str, Any]:
        return forms.recurring(self._allowed(call, "get"))

    @wrapping("Failed to delete a recurring run")
    def _delete(self, call: Call) -> dict[str, Any]:
        del self._records.recurring[self._allowed(call, "delete").id]
        return {}

    @wrapping("Failed to change a recurring run's mode")
    def _enable(self, call: Call, is_enabled: bool) -> dict[str, Any]:
        recurring = self._allowed(call, "enable" if is_enabled else "disable")
        recurring.is_enabled, recurring.updated = is_enabled, now()
        return {}

    def _allowed(self, call: Call, verb: str) -> RecurringRun:
        recurring = self._records.recurring.get(call.names["recurring_id"])
        if not recurring:
            raise not_found("Job", call.names["recurring_id"])
        self._check(call, recurring.experiment.namespace, verb, recurring.name)
        return recurring

    @wrapping("Failed to authorize the request")
    def _check(self, call: Call, namespace: str, verb: str, name: str = "") -> None:
        self._access.check(call.user, namespace, verb, "jobs", name)


def _check_form(body: dict[str, Any]) -> None:
    if not body.get("display_name"):
        cause = "Invalid input error: Recurring run's name cannot be empty"
        raise internal(cause, "Failed to convert a API recurring run to its internal representation")
    at_once = int(body.get("max_concurrency") or 0)
    if not 1 <= at_once <= _MOST_AT_ONCE:
        raise invalid(f"Max concurrency of a recurring run must be at least 1 and at most 10. Received {at_once}")
    trigger = body.get("trigger") or {}
    if problem := cron.problem(trigger["cron_schedule"]["cron"]) if "cron_schedule" in trigger else "":
        raise invalid(f"Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron). Error: {problem}")

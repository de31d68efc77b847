"""Experiments."""

from collections.abc import Callable, Iterator
from typing import Any

import kfp_server_api

from . import forms
from .access import Access
from .errors import already_exists, bad_request, internal, invalid, not_found, wrapping
from .lists import page
from .records import Experiment, Records
from .routing import Call, Route

DEFAULT = "Default"
_FIELDS = {"experiment_id", "id", "display_name", "name", "created_at", "last_run_created_at", "description", "namespace", "storage_state"}
_LONGEST_NAME = 128


class Experiments:
    """Answers calls about experiments."""

    def __init__(self, records: Records, access: Access) -> None:
        self._records = records
        self._access = access

    def routes(self) -> Iterator[Route]:
        """Yields what answers which call."""
        yield Route("POST", "/experiments", self._create)
        yield Route("GET", "/experiments", self._list)
        yield Route("GET", "/experiments/{experiment_id}", self._get)
        yield Route("DELETE", "/experiments/{experiment_id}", self._delete)
        yield Route("POST", "/experiments/{experiment_id}:archive", lambda call: self._archive(call, True))
        yield Route("POST", "/experiments/{experiment_id}:unarchive", lambda call: self._archive(call, False))

    def default(self) -> Experiment:
        """Returns the experiment of runs that name none, in a single-user installation."""
        found = next((known for known in self._records.experiments.values() if known.name == DEFAULT), None)
        return found or self._keep(
            Experiment(DEFAULT, description="All runs created without specifying an experiment will be grouped here.")
        )

    def find(self, experiment_id: str) -> Experiment:
        """Returns an experiment.

        Raises:
            KfpError: There is none.
        """
        if experiment_id not in self._records.experiments:
            raise not_found("Experiment", experiment_id)
        return self._records.experiments[experiment_id]

    def asked_for(self, call: Call) -> tuple[str, Callable[[Experiment], bool]]:
        """Returns whose list a call asks for, the namespace, and what tells whether something of an experiment is on it.

        Raises:
            KfpError: There is no such experiment.
        """
        experiment_id = call.query.get("experiment_id", "")
        namespace = self.find(experiment_id).namespace if experiment_id else self._access.namespace(call.query.get("namespace", ""))
        return namespace, lambda experiment: experiment.namespace == namespace and experiment_id in ("", experiment.id)

    def of_run(self, experiment_id: str) -> Experiment:
        """Returns the experiment that a new run belongs to.

        Raises:
            KfpError: There is none.
        """
        if experiment_id:
            return self.find(experiment_id)
        if self._access.is_multi_user:
            raise invalid("Experiment id can not be empty in multi-user mode")
        return self.default()

    @wrapping("Failed to create a experiment")
    def _create(self, call: Call) -> dict[str, Any]:
        body = call.body(kfp_server_api.V2beta1Experiment)
        name, namespace = body.get("display_name", ""), self._access.namespace(body.get("namespace", ""))
        if not name:
            raise internal(
                "Invalid input error: Experiment must have a non-empty name", "Failed to convert API experiment to model experiment"
            )
        if len(name) > _LONGEST_NAME:
            raise invalid(f"Experiment.Name length cannot exceed {_LONGEST_NAME}")
        self._check(call, namespace, "create", name)
        if any((known.name, known.namespace) == (name, namespace) for known in self._records.experiments.values()):
            raise already_exists(f"Failed to create a new experiment. The name {name} already exists. Please specify a new name")
        return forms.experiment(self._keep(Experiment(name, namespace, body.get("description", ""))))

    @wrapping("List experiments failed")
    def _list(self, call: Call) -> dict[str, Any]:
        namespace = self._access.namespace(call.query.get("namespace", ""))
        self._check(call, namespace, "list")
        rows = [forms.experiment(known) for known in self._records.experiments.values() if known.namespace == namespace]
        found, total, token = page(rows, call.query, _FIELDS, "experiment_id", "Experiment")
        return {"experiments": found, "total_size": total, "next_page_token": token}

    @wrapping("Failed to fetch experiment")
    def _get(self, call: Call) -> dict[str, Any]:
        return forms.experiment(self._allowed(call, "get"))

    @wrapping("Failed to delete experiment")
    def _delete(self, call: Call) -> dict[str, Any]:
        known = self._allowed(call, "delete")
        if known.name == DEFAULT and not known.namespace:
            raise bad_request(
                f"Invalid input error: Experiment id cannot be equal to the default id {known.id}",
                f"Failed to delete experiment {known.id}. The default experiment cannot be deleted",
            )
        del self._records.experiments[known.id]
        return {}

    @wrapping("Failed to archive experiment")
    def _archive(self, call: Call, is_archived: bool) -> dict[str, Any]:
        known = self._allowed(call, "archive" if is_archived else "unarchive")
        known.is_archived = is_archived
        if is_archived:
            for run in self._records.runs.values():
                run.is_archived = run.is_archived or run.experiment is known
            for recurring in self._records.recurring.values():
                recurring.is_enabled = recurring.is_enabled and recurring.experiment is not known
        return {}

    def _allowed(self, call: Call, verb: str) -> Experiment:
        known = self.find(call.names["experiment_id"])
        self._check(call, known.namespace, verb, known.name)
        return known

    @wrapping("Failed to authorize the request")
    def _check(self, call: Call, namespace: str, verb: str, name: str = "") -> None:
        self._access.check(call.user, namespace, verb, "experiments", name)

    def _keep(self, experiment: Experiment) -> Experiment:
        self._records.experiments[experiment.id] = experiment
        return experiment

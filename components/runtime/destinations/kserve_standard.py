"""KServe's Standard mode (Deployments): the predictor that serves, and a canary beside it, each with its own name.

A version is a Deployment and a Service of the name NAME-<predictor's name>-predictor, whichever of the two places its predictor stands in:
promotion exchanges the places and restarts nothing. A canary has a fixed number of replicas: its share of the predictor's, rounded up, which
is none for a share of 0 unless `minReplicas` says otherwise. `canaryStatuses` is written anew with each reconciliation, with the shares that it
was made for: that is how a status tells that it is not a stale one (its `observedGeneration` counts the Deployment's).

Traffic is split by an HTTPRoute of the Gateway API; KServe without it (`enableGatewayApi: false`) has no canaries.

Source: reconcileCanaryDeployments in KServe's predictor.go, applyCanaryWeights in httproute_reconciler.go, validateCanarySpecs in
inference_service_validation.go.
"""

from dataclasses import replace
from typing import Any

from penstock.components.runtime import TaskError

from .kserve_record import SHARE, Version, read_version, write_version
from .kserve_spec import SCALING, STANDARD, annotations
from .kserve_steps import InferenceService, State, Step, WayBack, first_deployment, foreign_canary, is_true


class Standard:
    """Steps in Standard mode."""

    def state(self, service: InferenceService) -> State:
        """Reads the state from the places: the canary is the candidate, unless it is what served before, kept warm."""
        if first := first_deployment(service):
            return first
        serving = read_version(service["spec"]["predictor"])
        canary = _canary(service)
        if canary is None or _is_kept_warm(service):
            return State(serving)
        candidate = read_version(canary["predictor"])
        if not candidate.digest and not candidate.is_same(serving.previous):
            raise foreign_canary(canary["trafficPercent"])
        return State(serving, candidate, canary["trafficPercent"])

    def stage(self, service: InferenceService, version: Version) -> list[Step]:
        """Makes the version the canary, with one replica and no traffic; it is there already if it is the candidate.

        Raises:
            TaskError: KServe would mix the canary up with the predictor that serves.
        """
        state = self.state(service)
        if version.is_same(state.candidate):
            return [Step(lambda _: None, _is_canary_ready if state.serving else _is_ready, starts_pods=True)]
        _check_kinds(service["spec"]["predictor"], version.predictor)
        return [Step(_put_canary(version.staged_beside(state.serving), even_warm=True), _is_canary_ready, starts_pods=True)]

    def shift(self, service: InferenceService, percent: int) -> list[Step]:
        """Sets the canary's share; with all of it, has it exchange places with the predictor, which is kept warm as the canary then."""
        if self.state(service).serving is None:
            return [Step(_lift_mark, _is_ready)] if percent == 100 else []
        share = Step(_set_share(percent), _is_canary_ready, starts_pods=True)
        return [share, Step(_exchange(keep=True), _is_ready)] if percent == 100 else [share]

    def withdraw(self, service: InferenceService) -> tuple[list[Step], list[Step]]:
        """Takes the canary's traffic away, then the canary: no request is lost to pods that end."""
        stop = [Step(_set_share(0), _is_settled)] if self.state(service).percent else []
        return stop, [Step(_remove_canary, _is_settled)]

    def go_back(self, service: InferenceService, version: Version) -> WayBack:
        """Has the version take all traffic as the canary, at once if it was kept warm, then puts it in the predictor's place."""
        named = replace(version, predictor=version.predictor | {"name": version.name or "previous"})
        _check_kinds(service["spec"]["predictor"], named.predictor)
        return WayBack(
            bring_up=[Step(_put_canary(named), _is_canary_ready, starts_pods=True)],
            url=self.candidate_url,
            undo=self.withdraw,
            switch=[Step(_set_share(100), _is_canary_ready), Step(_exchange(keep=False), _is_ready)],
            tidy=[],
        )

    def retire(self, service: InferenceService) -> list[Step]:
        """Removes what is kept warm."""
        return [Step(_remove_canary, _is_settled)] if _is_kept_warm(service) else []

    def candidate_url(self, service: InferenceService) -> str:
        """Returns the URL of the candidate's own Service, as the status has that of the predictor's."""
        canary = _canary(service)
        if canary is None:
            return ""
        before, _, after = self.url_beside(service).partition(f"//{service_name(service, service['spec']['predictor'])}.")
        return f"{before}//{service_name(service, canary['predictor'])}.{after}"

    def url_beside(self, service: InferenceService) -> str:
        """Returns the URL of the predictor's own Service, which has one also where the predictor has never been ready."""
        name = f"{service_name(service, service['spec']['predictor'])}."
        address = service.get("status", {}).get("address", {}).get("url", "")
        return address if f"//{name}" in address else f"http://{name}{service['metadata']['namespace']}.svc"

    def pod_selector(self, service: InferenceService) -> str:
        """Selects the pods of the canary, or of the predictor if there is none."""
        canary = _canary(service)
        return f"app=isvc.{service_name(service, canary['predictor'] if canary else service['spec']['predictor'])}"


def service_name(service: InferenceService, predictor: dict[str, Any]) -> str:
    """Returns the name of a predictor's Deployment and Service."""
    return "-".join(part for part in (service["metadata"]["name"], predictor.get("name", ""), "predictor") if part)


def _canary(service: InferenceService) -> dict[str, Any] | None:
    canaries = service["spec"].get("canary") or []
    if len(canaries) > 1:
        raise foreign_canary(sum(canary["trafficPercent"] for canary in canaries))
    return canaries[0] if canaries else None


def _is_kept_warm(service: InferenceService) -> bool:
    """Tells whether the canary is what served before; one with traffic is on its way back, one staged beside what serves is released again."""
    canary, serving = _canary(service), read_version(service["spec"]["predictor"])
    if canary is None or canary["trafficPercent"] or serving.previous is None or canary["predictor"]["name"] != serving.previous.name:
        return False
    staged = serving.entry().staged_beside(serving).history
    return [version.digest for version in read_version(canary["predictor"]).history] != [version.digest for version in staged]


def _check_kinds(serving: dict[str, Any], predictor: dict[str, Any]) -> None:
    """Refuses a canary of another kind: KServe merges it into the predictor, and of a model and an image it would run the model."""
    kinds = [{key for key in ("model", "containers") if spec.get(key)} for spec in (serving, predictor)]
    if kinds[0] != kinds[1]:
        raise TaskError(
            "what serves now and the new version are not both images, or both models of a ServingRuntime, and KServe cannot tell them apart as a"
            " canary in mode=standard; set the serving option runtime as it was, or push to an InferenceService of another name"
        )


def _put_canary(version: Version, *, even_warm: bool = False) -> Any:
    """Makes a change that makes a version the canary, unless it is; even if it is kept warm as such, where that is said."""

    def change(service: InferenceService) -> None:
        service["metadata"].setdefault("annotations", {}).update(annotations(STANDARD))
        canary = _canary(service)
        if canary and canary["predictor"]["name"] == version.name and not (even_warm and _is_kept_warm(service)):
            return
        service["spec"]["canary"] = [_as_canary(write_version(version))]

    return change


def _as_canary(predictor: dict[str, Any]) -> dict[str, Any]:
    fixed = {key: value for key, value in predictor.items() if key not in (*SCALING, SHARE)}
    return {"predictor": fixed | {"minReplicas": 1}, "trafficPercent": 0}


def _set_share(percent: int) -> Any:
    def change(service: InferenceService) -> None:
        canary = _canary(service)
        if canary is None:  # it has been promoted, or taken away
            return
        canary["trafficPercent"] = percent
        canary["predictor"].pop("minReplicas", None)
        if percent == 0:
            canary["predictor"]["minReplicas"] = 1

    return change


def _exchange(*, keep: bool) -> Any:
    """Makes a change that promotes the canary; what is kept is as it was, for another name or annotation would be a restart."""

    def change(service: InferenceService) -> None:
        canary, before = _canary(service), service["spec"]["predictor"]
        if canary is None or canary["trafficPercent"] != 100:
            return
        scaling = read_version(canary["predictor"]).scaling
        service["spec"]["predictor"] = {key: value for key, value in canary["predictor"].items() if key != "minReplicas"} | scaling
        _remove_canary(service)
        if keep and read_version(before).digest:
            service["spec"]["canary"] = [_as_canary(before)]

    return change


def _lift_mark(service: InferenceService) -> None:
    service["spec"]["predictor"].pop(SHARE, None)


def _remove_canary(service: InferenceService) -> None:
    service["spec"].pop("canary", None)


def _is_settled(service: InferenceService) -> bool:
    """Tells whether the status was written for these canaries."""
    asked = [(canary["predictor"]["name"], canary["trafficPercent"]) for canary in service["spec"].get("canary") or []]
    found = [(canary["name"], canary["trafficPercent"]) for canary in _statuses(service)]
    return asked == found


def _is_canary_ready(service: InferenceService) -> bool:
    """Tells whether the canary takes requests. The predictor may be down: a canary may be the remedy."""
    return _is_settled(service) and bool(_statuses(service)) and all(canary["ready"] for canary in _statuses(service))


def _is_ready(service: InferenceService) -> bool:
    return _is_settled(service) and is_true(service, "Ready")


def _statuses(service: InferenceService) -> list[dict[str, Any]]:
    return service.get("status", {}).get("canaryStatuses") or []

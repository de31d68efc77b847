"""KServe's Standard mode (Deployments): the predictor that serves, and a canary beside it, each with its own name.

A version is a Deployment and a Service of the name NAME-<predictor's name>-predictor, whichever of the two places its predictor stands in:
promotion exchanges the places and restarts nothing. `canaryStatuses` is written anew with each reconciliation, with the shares that it was made
for: that is how a status tells that it is not a stale one. What runs is in the Deployments, and who has the traffic in the HTTPRoute.

Traffic is split by an HTTPRoute of the Gateway API; KServe without it (`enableGatewayApi: false`) splits none, nor does KServe 0.20.0, whose
route always leads to the predictor: there the exchange of the two places moves all of it. While the predictor is not ready KServe does not
touch the route at all, and again only the exchange moves the traffic.

A canary has the replicas of its share before it has the share, and loses the share before it is removed, because KServe ends its pods
immediately. KServe allows it
no more than the predictor's fewest, which are raised for as long as it needs more.

Source: reconcileCanaryDeployments in KServe's predictor.go, applyCanaryWeights in httproute_reconciler.go, validateCanarySpecs in
inference_service_validation.go.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from penstock.components.protocol import TaskError
from penstock.components.release.kubernetes import Refused

from .plane import Address, cluster_domain
from .record import SHARE, KServeVersion, read_version, write_version
from .seen import InferenceService, Object, Seen, is_accepted, is_rolled_out, is_true, service_name, shares
from .spec import SCALING, STANDARD, annotations, storage_uri
from .steps import State, Step, WayBack, first_deployment, foreign_canary

# Autoscalers that follow `minReplicas`; with others, something else or nothing scales the pods.
_AUTOSCALER, _FOLLOWING = "serving.kserve.io/autoscalerClass", ("hpa", "none")
_CURE = "install a later KServe, push with strategy blue_green or replace, or to an InferenceService with mode=knative"


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

    def stage(self, service: InferenceService, version: KServeVersion) -> list[Step]:
        """Makes the version the canary, with one replica and no traffic; it is there already if it is the candidate.

        Raises:
            TaskError: KServe would mix the canary up with the predictor that serves, or would never let it take that one's place.
        """
        state = self.state(service)
        if version.is_same(state.candidate):
            return [Step(lambda _: None, is_canary_ready if state.serving else is_ready, starts_pods=True)]
        _check_places(service["spec"]["predictor"], version)
        put = Step(_put_canary(version.staged_beside(state.serving), even_warm=True), is_canary_ready, starts_pods=True)
        return [*self._empty(service), put]

    def why_no_shares(self, seen: Seen) -> str:
        """Reads it from the HTTPRoutes: with a canary that is ready, what has weights; else their names, which tell KServe 0.20.0."""
        predictor, canary, route = seen.service["spec"]["predictor"], _canary(seen.service), seen.route()
        name = seen.service["metadata"]["name"]
        if not is_true(seen.service, "PredictorReady"):
            return ""
        if route is None:
            return (
                f"there is no HTTPRoute {name}: in mode=standard KServe splits traffic only through the Gateway API (enableGatewayApi), and not"
                f" with the label networking.kserve.io/visibility=cluster-local; enable it, or push with strategy blue_green or replace"
            )
        if canary and is_canary_ready(seen):
            is_split = service_name(seen.service, canary["predictor"]) in shares(route)
        else:
            is_split = not predictor.get("name") or seen.route("-predictor") is not None
        old = f"this KServe splits no traffic in mode=standard: the HTTPRoute {name} gives canaries no weight, whatever their share (as 0.20.0)"
        return "" if is_split else f"{old}; {_CURE}"

    def shift(self, seen: Seen, percent: int) -> list[Step]:
        """Sets the canary's share; with all of it, has it exchange places with the predictor, which is kept warm as the canary then."""
        if self.state(seen.service).serving is None:
            return [Step(_lift_mark, is_ready)] if percent == 100 else []
        steps = self._give_share(seen, percent)
        return [*steps, Step(_exchange(), is_ready)] if percent == 100 else steps

    def withdraw(self, service: InferenceService) -> tuple[list[Step], list[Step]]:
        """Takes the canary's traffic away, then the canary: no request is lost to pods that end."""
        return self._empty(service), [Step(_remove_canary, is_settled)]

    def go_back(self, seen: Seen, version: KServeVersion) -> WayBack:
        """Gives the version all traffic as the canary, immediately if it was kept warm, and then makes it the predictor.

        What served until then goes last, when nothing leads to it any more.
        """
        named = replace(version, predictor=version.predictor | {"name": version.name or "previous"})
        _check_places(seen.service["spec"]["predictor"], named)
        return WayBack(
            bring_up=[Step(_put_canary(named), is_canary_ready, starts_pods=True)],
            address=self.candidate_address,
            undo=self.withdraw,
            switch=[*self._give_share(seen, 100, named), Step(_exchange(), is_ready)],
            tidy=[Step(_remove_canary, is_settled)],
        )

    def retire(self, service: InferenceService) -> list[Step]:
        """Removes what is kept warm."""
        return [Step(_remove_canary, is_settled)] if _is_kept_warm(service) else []

    def _empty(self, service: InferenceService) -> list[Step]:
        """Takes the traffic from the canary, if it has any, and waits until the gateway has heard of it."""
        canary = _canary(service)
        return [Step(_set_share(0), is_shared(0))] if canary and canary["trafficPercent"] else []

    def _give_share(self, seen: Seen, percent: int, version: KServeVersion | None = None) -> list[Step]:
        """Gives the canary the replicas that its share needs, then the share. At 100 % the exchange moves what KServe does not split."""
        canary = _canary(seen.service)
        version = version or (read_version(canary["predictor"]) if canary else None)
        replicas = _replicas(seen, version, percent)
        ready = Step(_set_replicas(replicas), is_canary_ready, starts_pods=True)
        return [ready, Step(_set_share(percent), is_shared(percent))]

    def clients_address(self, service: InferenceService) -> Address:
        """Returns the route's URL, and the Service of the predictor."""
        return replace(self.serving_address(service), route=service.get("status", {}).get("url", ""))

    def candidate_address(self, service: InferenceService) -> Address:
        """Returns the canary's own Service, which has no route."""
        return Address(service_name(service, _newest(service)), cluster_domain(service))

    def serving_address(self, service: InferenceService) -> Address:
        """Returns the predictor's own Service, which it has also where it has never been ready."""
        return Address(service_name(service, service["spec"]["predictor"]), cluster_domain(service))

    def pod_selector(self, service: InferenceService) -> str:
        """Selects the pods of the canary, or of the predictor if there is no canary."""
        return f"app=isvc.{service_name(service, _newest(service))}"


def _canary(service: InferenceService) -> dict[str, Any] | None:
    canaries = service["spec"].get("canary") or []
    if len(canaries) > 1:
        raise foreign_canary(sum(canary["trafficPercent"] for canary in canaries))
    return canaries[0] if canaries else None


def _newest(service: InferenceService) -> dict[str, Any]:
    """Returns the canary's predictor, or the one that serves if there is no canary."""
    canary = _canary(service)
    predictor: dict[str, Any] = canary["predictor"] if canary else service["spec"]["predictor"]
    return predictor


def _is_kept_warm(service: InferenceService) -> bool:
    """Tells whether the canary is what served before; one with traffic is on its way back, one staged beside what serves is released again."""
    canary, serving = _canary(service), read_version(service["spec"]["predictor"])
    if canary is None or canary["trafficPercent"] or serving.previous is None or canary["predictor"]["name"] != serving.previous.name:
        return False
    staged = serving.entry().staged_beside(serving).history
    return [version.digest for version in read_version(canary["predictor"]).history] != [version.digest for version in staged]


def _check_places(serving: dict[str, Any], version: KServeVersion) -> None:
    """Refuses what KServe would take as a canary and never let take the predictor's place.

    It merges a canary into the predictor, and of a model and an image it would run the model. And it refuses another name for a predictor whose
    model lies where it lay, and a canary of the predictor's name.
    """
    if storage_uri(serving) == version.uri:
        raise TaskError(
            f"the current version uses the model at {version.uri} too, and KServe does not promote a canary with the predictor's storageUri; set"
            " the destination option storage, which gives each release its own folder, or push the model as another version"
        )
    kinds = [{key for key in ("model", "containers") if spec.get(key)} for spec in (serving, version.predictor)]
    if kinds[0] != kinds[1]:
        raise TaskError(
            "one of the current and the new version has an image and the other a ServingRuntime, which KServe does not support in a canary in"
            " mode=standard; give the serving option runtime of the current version, or push to another InferenceService"
        )


def _put_canary(version: KServeVersion, *, even_warm: bool = False) -> Any:
    """Makes a change that makes a version the canary, unless it is. With `even_warm`, also if it is a canary that is kept warm."""

    def change(service: InferenceService) -> None:
        service["metadata"].setdefault("annotations", {}).update(annotations(STANDARD))
        canary = _canary(service)
        if canary and canary["predictor"]["name"] == version.name and not (even_warm and _is_kept_warm(service)):
            return
        service["spec"]["canary"] = [_as_canary(write_version(version), 1)]
        _make_room(service)

    return change


def _as_canary(predictor: dict[str, Any], replicas: int) -> dict[str, Any]:
    fixed = {key: value for key, value in predictor.items() if key not in (*SCALING, SHARE)}
    return {"predictor": fixed | {"minReplicas": replicas}, "trafficPercent": 0}


def _set_share(percent: int) -> Any:
    def change(service: InferenceService) -> None:
        canary = _canary(service)
        if canary:  # else it has been promoted or removed
            canary["trafficPercent"] = percent

    return change


def _set_replicas(replicas: int) -> Any:
    """Makes a change that gives the canary replicas; never fewer than it has, for it may have traffic."""

    def change(service: InferenceService) -> None:
        if canary := _canary(service):
            canary["predictor"]["minReplicas"] = max(replicas, canary["predictor"].get("minReplicas", 1))
            _make_room(service)

    return change


def _replicas(seen: Seen, version: KServeVersion | None, percent: int) -> int:
    """Returns how many replicas a share needs: as a share of those that serve, which may be more than the fewest; and all that are asked for."""
    predictor = seen.service["spec"]["predictor"]
    deployment = seen.deployment(predictor)
    serving = max(_own_fewest(seen.service), deployment["spec"].get("replicas", 1) if deployment else 1)
    asked = int(version.scaling.get("minReplicas", 1)) if version and percent == 100 else 1
    return max(math.ceil(serving * percent / 100), asked)


def _make_room(service: InferenceService) -> None:
    """Has the predictor ask for as many replicas as its canary, or else for its own only.

    Beside one that is kept warm, which takes no traffic off it, it asks for both: KServe takes the canary's replicas off the predictor's.
    """
    predictor, canary, own = service["spec"]["predictor"], _canary(service), _own_scaling(service)
    for field in ("minReplicas", "maxReplicas"):
        predictor.pop(field, None)
    predictor |= {field: own[field] for field in ("minReplicas", "maxReplicas") if field in own}
    needed = canary["predictor"].get("minReplicas", 1) if canary else 1
    if _is_kept_warm(service):
        needed += _own_fewest(service)
    if needed <= _own_fewest(service):
        return
    predictor["minReplicas"] = needed
    if predictor.get("maxReplicas"):
        predictor["maxReplicas"] = max(predictor["maxReplicas"], predictor["minReplicas"])


def _own_scaling(service: InferenceService) -> dict[str, int | str]:
    """Returns the predictor's scaling as it was asked for: by its record, or by the canary's where another client has made the predictor."""
    serving, canary = read_version(service["spec"]["predictor"]), _canary(service)
    beside = read_version(canary["predictor"]).previous if canary and not serving.digest else None
    return beside.scaling if beside else serving.scaling


def _own_fewest(service: InferenceService) -> int:
    return int(_own_scaling(service).get("minReplicas", 1))


def _exchange() -> Any:
    """Makes a change that promotes the canary; what is kept is as it was, for another name or annotation would be a restart."""

    def change(service: InferenceService) -> None:
        canary, before = _canary(service), service["spec"]["predictor"]
        if canary is None or canary["trafficPercent"] != 100:
            return
        own, serving = _own_fewest(service), read_version(canary["predictor"])
        service["spec"]["predictor"] = {key: value for key, value in canary["predictor"].items() if key != "minReplicas"} | serving.scaling
        service["spec"].pop("canary")
        if read_version(before).digest:
            service["spec"]["canary"] = [_as_canary(before, max(own, 1))]
        _make_room(service)

    return change


def _lift_mark(service: InferenceService) -> None:
    service["spec"]["predictor"].pop(SHARE, None)


def _remove_canary(service: InferenceService) -> None:
    if service["spec"].pop("canary", None):
        _make_room(service)


def is_settled(seen: Seen) -> bool:
    """Tells whether the status was written for these canaries."""
    asked = [(canary["predictor"]["name"], canary["trafficPercent"]) for canary in seen.service["spec"].get("canary") or []]
    found = [(canary["name"], canary["trafficPercent"]) for canary in _statuses(seen.service)]
    return asked == found


def is_canary_ready(seen: Seen) -> bool:
    """Tells whether the canary takes requests, with all its pods. The predictor may be down: a canary may be the remedy."""
    canary, statuses = _canary(seen.service), _statuses(seen.service)
    if canary is None or not is_settled(seen) or not all(status["ready"] for status in statuses):
        return False
    return is_rolled_out(seen.deployment(canary["predictor"]), canary["predictor"], _fewest(seen.service, canary["predictor"]))


def is_shared(percent: int) -> Callable[[Seen], bool]:
    """Makes a judgement: the status has the share, and so has the route, unless there is none, or KServe does not touch it now.

    A route without the canary is that of a KServe that splits no traffic: at 100 % the exchange comes next, which moves it.
    """

    def judge(seen: Seen) -> bool:
        canary, route = _canary(seen.service), _route(seen)
        if canary is None or not is_settled(seen):
            return False
        if route is None or not is_true(seen.service, "PredictorReady"):
            return True
        share = shares(route).get(service_name(seen.service, canary["predictor"]))
        return percent in (0, 100) if share is None else share == percent and is_accepted(route)

    return judge


def is_ready(seen: Seen) -> bool:
    """Tells whether the predictor serves: its pods are its own and new, and the traffic that is not the canary's leads to them."""
    predictor, canary, route = seen.service["spec"]["predictor"], _canary(seen.service), _route(seen)
    if not is_settled(seen) or not is_true(seen.service, "Ready"):
        return False
    # KServe takes the canary's replicas off the predictor's.
    beside = _fewest(seen.service, canary["predictor"]) if canary else 0
    if not is_rolled_out(seen.deployment(predictor), predictor, _fewest(seen.service, predictor) - beside):
        return False
    rest = 100 - (canary["trafficPercent"] if canary else 0)
    return route is None or (shares(route).get(service_name(seen.service, predictor)) == rest and is_accepted(route))


def _route(seen: Seen) -> Object | None:
    """Returns the HTTPRoute; None also where it may not be read: who cannot have a canary for that can still go back."""
    try:
        return seen.route()
    except Refused:
        return None


def _fewest(service: InferenceService, predictor: dict[str, Any]) -> int:
    """Returns how many pods must answer."""
    scaling = service["metadata"].get("annotations", {}).get(_AUTOSCALER, "hpa")
    return predictor.get("minReplicas", 1) if scaling in _FOLLOWING else 1


def _statuses(service: InferenceService) -> list[dict[str, Any]]:
    return service.get("status", {}).get("canaryStatuses") or []

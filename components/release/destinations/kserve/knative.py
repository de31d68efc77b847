"""KServe's Knative mode: one predictor, whose every version is a revision.

`canaryTrafficPercent` is the share of the latest revision; the rest goes to the one that had all of it last (`latestRolledoutRevision`). Without
it the latest revision that is ready has all traffic, so that a version is only ever brought in with a share of 0, and the share is taken
away last. The status says nothing of the generation that it was written for (its `observedGeneration` counts the Knative service's), and `Ready`
may be true while the latest revision is broken: what counts are the revisions' names and their traffic.

Source: createKnativeService in KServe's ksvc_reconciler.go and PropagateStatus in inference_service_status.go.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from .plane import Address, cluster_domain
from .record import SHARE, KServeVersion, read_version, write_version
from .seen import InferenceService, Seen, is_true
from .spec import KNATIVE, annotations
from .steps import State, Step, WayBack, first_deployment, foreign_canary


class Knative:
    """Steps in Knative mode."""

    def state(self, service: InferenceService) -> State:
        """Reads the state from the predictor: its share of the traffic, and what its record says it stands beside."""
        predictor = service["spec"]["predictor"]
        version = read_version(predictor)
        percent = predictor.get(SHARE)
        if percent is None:
            return State(serving=version)
        if first := first_deployment(service):
            return first
        serving = version.beside or version.previous
        if serving is None:
            raise foreign_canary(percent)
        if version.is_same(serving):
            return State(serving=version)
        return State(serving, version, percent)

    def stage(self, service: InferenceService, version: KServeVersion) -> list[Step]:
        """Makes the version the latest revision, with no traffic; it is there already if it is the candidate."""
        state = self.state(service)
        if version.is_same(state.candidate):
            is_there = has_share(state.percent) if state.percent else is_latest_ready
            return [Step(lambda _: None, is_there, starts_pods=True)]
        bring_in = _bring_in(lambda now: version.staged_beside(state.serving, _rolled_out(now)))
        return [Step(bring_in, is_latest_ready, starts_pods=True)]

    def why_no_shares(self, seen: Seen) -> str:
        """Knows of no reason: Knative splits traffic over revisions."""
        return ""

    def shift(self, seen: Seen, percent: int) -> list[Step]:
        """Sets the share of the latest revision, or takes the limit away. Where nothing served before there is nothing to share."""
        if percent == 100:
            return [Step(_lift_limit, has_share(100))]
        if self.state(seen.service).serving is None:
            return []
        return [Step(_set_share(percent), has_share(percent))]

    def withdraw(self, service: InferenceService) -> tuple[list[Step], list[Step]]:
        """Sends all traffic back to the revision that had it, then makes its version the latest one again.

        Without the second half the spec would name a version that must not serve, and a broken one would leave the service unready.
        """
        serving = self.state(service).serving
        stop = [Step(_set_share(0), lambda now: not _is_own(now.service) or _share(now.service, _latest(now.service)) == 0)]
        if serving is None:
            return stop, []
        again = _bring_in(lambda now: replace(serving, beside=serving.entry(serving.revision or _rolled_out(now))))
        tidy = [Step(again, is_latest_ready, starts_pods=True), Step(_lift_limit, has_share(100))]
        return stop, tidy

    def go_back(self, seen: Seen, version: KServeVersion) -> WayBack:
        """Goes back to the revision before if it is still known, for that needs no start; else serves the version as a new revision.

        A revision has a URL of its own only while it has a share: the one before is checked with the smallest that there is.
        """
        service = seen.service
        known = _status(service).get("previousRolledoutRevision")
        serving = self.state(service).serving
        before = serving.previous if serving else None
        if serving and before and version.is_same(before) and known and known == before.revision:
            after = {**service, "spec": {"predictor": write_version(serving) | {SHARE: 0}}}
            return WayBack(
                bring_up=[Step(_set_share(99), lambda now: _share(now.service, known) == 1)],
                address=self.serving_address,
                undo=lambda _: ([Step(_lift_limit, has_share(100))], []),
                switch=[Step(_set_share(0), lambda now: _share(now.service, known) == 100)],
                tidy=self.withdraw(after)[1],
            )
        again = _bring_in(lambda now: replace(version, beside=serving.entry(_rolled_out(now)) if serving else None))
        return WayBack(
            bring_up=[Step(again, is_latest_ready, starts_pods=True)],
            address=self.candidate_address,
            undo=self.withdraw,
            switch=[Step(_lift_limit, has_share(100))],
            tidy=[],
        )

    def retire(self, service: InferenceService) -> list[Step]:
        """Does nothing: Knative keeps a revision without traffic, and none of its pods."""
        return []

    def clients_address(self, service: InferenceService) -> Address:
        """Returns the URL of the service, and the Service of Knative's route, which leads to the cluster's own gateway."""
        status, own = service.get("status", {}), f"{service['metadata']['name']}-predictor"
        inside = urlsplit(status.get("address", {}).get("url", "")).netloc.partition(".")[0]
        return Address(inside or own, cluster_domain(service), status.get("url", ""), _answering(service))

    def candidate_address(self, service: InferenceService) -> Address:
        """Returns what has the tag `latest`, unless that is still another revision."""
        found = _tagged(service, "latest")
        return found if found and found.revision == _latest(service) else self.clients_address(service)

    def serving_address(self, service: InferenceService) -> Address:
        """Returns what has the tag `prev`; where nothing has, `latest` stands alone."""
        return _tagged(service, "prev") or _tagged(service, "latest") or self.clients_address(service)

    def pod_selector(self, service: InferenceService) -> str:
        """Selects the pods of the latest revision."""
        latest = _latest(service)
        return f"serving.knative.dev/revision={latest}" if _is_own(service) else ""


def _bring_in(make: Callable[[InferenceService], KServeVersion]) -> Any:
    """Returns the change that makes a version the latest one, with no traffic.

    Args:
        make: Makes the version from the InferenceService that is written. Another revision may serve than at the first look: adding a label
            makes one.
    """

    def change(service: InferenceService) -> None:
        version = make(service)
        service["metadata"].setdefault("annotations", {}).update(annotations(KNATIVE))
        if version.is_same(read_version(service["spec"]["predictor"])) and SHARE in service["spec"]["predictor"]:
            return
        service["spec"]["predictor"] = write_version(replace(version, after=_latest(service))) | {SHARE: 0}

    return change


def _set_share(percent: int) -> Any:
    def change(service: InferenceService) -> None:
        service["spec"]["predictor"][SHARE] = percent

    return change


def _lift_limit(service: InferenceService) -> None:
    service["spec"]["predictor"].pop(SHARE, None)


def _status(service: InferenceService) -> dict[str, Any]:
    return service.get("status", {}).get("components", {}).get("predictor", {})


def _latest(service: InferenceService) -> str:
    return _status(service).get("latestCreatedRevision", "")


def _answering(service: InferenceService) -> str:
    """Returns the revision that serves: the one beside the candidate, else the latest that ever was ready."""
    beside = _tagged(service, "prev")
    return beside.revision if beside else _status(service).get("latestReadyRevision", "")


def _rolled_out(service: InferenceService) -> str:
    return _status(service).get("latestRolledoutRevision", "")


def _traffic(service: InferenceService) -> list[dict[str, Any]]:
    return _status(service).get("traffic") or []


def _tagged(service: InferenceService, tag: str) -> Address | None:
    """Returns where the revision answers that has a tag: Knative makes a Service of each, and a URL at the gateway."""
    target = next((target for target in _traffic(service) if target.get("tag") == tag), None)
    if target is None:
        return None
    name = f"{tag}-{service['metadata']['name']}-predictor"
    return Address(name, cluster_domain(service), target.get("url", ""), target.get("revisionName", ""))


def _share(service: InferenceService, revision: str) -> int:
    return sum(target.get("percent") or 0 for target in _traffic(service) if target.get("revisionName") == revision)


def _is_own(service: InferenceService) -> bool:
    """Tells whether the latest revision is that of the latest predictor, as far as its record can tell."""
    return _latest(service) not in ("", read_version(service["spec"]["predictor"]).after)


def is_latest_ready(seen: Seen) -> bool:
    """Tells whether the latest revision is that of the latest predictor, and is ready, and the rest of the traffic is where it was."""
    service = seen.service
    if not _is_own(service) or _status(service).get("latestReadyRevision") != _latest(service):
        return False
    if first_deployment(service):
        return is_true(service, "Ready")
    tagged = _tagged(service, "latest")
    return _has_rest(service, 100) and tagged is not None and tagged.revision == _latest(service)


def _has_rest(service: InferenceService, percent: int) -> bool:
    """Tells whether the revision that served before has the rest of the traffic, and no older one.

    KServe sends it to an older one where it sees the new shares before the new revision, and takes that for a rollback.
    """
    version = read_version(service["spec"]["predictor"])
    serving = version.beside or version.previous
    return serving is None or not serving.revision or _share(service, serving.revision) == percent


def has_share(percent: int) -> Callable[[Seen], bool]:
    """Makes a judgement: the latest revision is that of the latest predictor, is ready, and has this share, which the ingress has been given."""
    return lambda seen: _traffic_is(seen.service, percent) and is_true(seen.service, "RoutesReady")


def _traffic_is(service: InferenceService, percent: int) -> bool:
    latest = _latest(service)
    is_latest = _is_own(service) and _status(service).get("latestReadyRevision") == latest
    if not is_latest or _share(service, latest) != percent:
        return False
    return _rolled_out(service) == latest if percent == 100 else _has_rest(service, 100 - percent)

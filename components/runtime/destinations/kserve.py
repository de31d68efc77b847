"""`kserve://NAMESPACE/NAME?mode=`: an InferenceService of a Kubernetes cluster."""

import copy
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
from tenacity import retry, retry_if_exception_type, retry_if_result, stop_after_delay, wait_exponential

from penstock.components.runtime import Input, TaskError, figure
from penstock.components.runtime import storage as model_storage
from penstock.components.runtime.release import Release, find_release
from penstock.components.runtime.served import read_served

from .destination import Answer, Check, Current, StepFailed, Traffic, accept, unharmed
from .kserve_api import Cluster, ClusterError, Conflict, NoAnswer
from .kserve_complaints import Complaints
from .kserve_knative import Knative
from .kserve_lease import Lease
from .kserve_leftovers import clear_leftovers
from .kserve_record import SHARE, Version, scaling, write_version
from .kserve_seen import DEPLOYMENT, InferenceService
from .kserve_spec import (
    KNATIVE,
    MODES,
    STANDARD,
    build_predictor,
    check_name,
    check_serving_options,
    digest,
    inference_service,
    is_told,
    longest_name,
    predictor_name,
)
from .kserve_standard import Standard
from .kserve_steps import Mode, State, Step, stopped
from .kserve_wait import FIRST_LOOK_SECONDS, wait_until
from .metrics import read_traffic
from .uri import check_options

# For how long a request without an answer is repeated.
PATIENCE_SECONDS = 10.0
# Somebody else may change the object as well: labels by hand, the status by the controller.
ATTEMPTS = 10
_OLD_NAMES = {"Serverless": KNATIVE, "RawDeployment": STANDARD}


class KServeDestination:
    """An InferenceService.

    The cluster is the one that KUBECONFIG names, else the one that this process runs in, else that of `~/.kube/config`. Permissions in the
    namespace: get, create, update and delete `inferenceservices`, get, create and update `leases`; to say why pods do not start, list `pods`
    and `events`; in mode standard also get `deployments` and `httproutes`, which say what runs and who has the traffic, list and delete
    `horizontalpodautoscalers` and `httproutes`, which KServe leaves behind, and, from outside the cluster, create and get `services/proxy`.

    URI options:
        mode: `knative` (revisions; scale to zero) or `standard` (Deployments; canaries need the Gateway API and a KServe later than 0.20.0).
        storage: Where the model is copied to: `gs://`, `s3://`, `minio://`, `pvc://CLAIM/PATH`. Without it KServe reads the artifact in place.
        lease: For how many seconds another push is kept out by one that has died. Default 60.
        timeout: For how many seconds KServe may take to start a version, or to shift traffic. Default 600.
        call_timeout: For how many seconds one call waits for its answer, a prediction's too. Default 30.
        gateway: The ingress gateway's URL, for where the names in the service's URLs cannot be resolved; the names go there as Host headers.

    Attributes:
        url: The URL that answers predictions; empty as long as KServe has given none.
        stop_command: The command that ends the serving.
        strategies: All but `shadow`: KServe copies no traffic.
    """

    strategies = frozenset({"replace", "canary", "blue_green"})

    def __init__(
        self,
        namespace: str,
        name: str,
        mode: str,
        serving: dict[str, Any],
        storage: str,
        lease: int,
        timeout: int,
        call_timeout: int,
        gateway: str,
    ) -> None:
        self._name, self._mode_name, self._serving, self._storage, self._timeout = name, mode, serving, storage, timeout
        self._where = f"kserve://{namespace}/{name}"
        self._mode: Mode = Knative() if mode == KNATIVE else Standard()
        self._gateway = gateway
        self.url = ""
        self.stop_command = f"kubectl delete inferenceservice {name} --namespace {namespace}"
        self._cluster = Cluster(namespace, name, call_timeout)
        self._lease: Lease | None = None
        self._lease_seconds = lease
        self._http = httpx.Client(timeout=call_timeout)
        self._records: dict[str, Release] = {}

    @classmethod
    def from_uri(cls, path: str, options: dict[str, str], model_name: str, serving: dict[str, Any]) -> "KServeDestination":
        """Makes the destination of a URI.

        Args:
            path: `NAMESPACE/NAME`.
            options: The options of the URI.
            model_name: The model's name in the registry; it answers under the InferenceService's.
            serving: How to serve it, as `check_serving_options` knows it.

        Raises:
            TaskError: Something of it is wrong, or there is no cluster.
        """
        check_options(options, {"mode", "storage", "lease", "timeout", "call_timeout", "gateway"}, "kserve")
        namespace, _, name = path.partition("/")
        check_name("namespace", namespace)
        if options.get("mode") not in MODES:
            raise TaskError(f"kserve://{path} needs ?mode=, {' or '.join(MODES)}, not {options.get('mode', 'none')!r}")
        mode = MODES[options["mode"]]
        check_name("InferenceService", name, longest_name(namespace, mode))
        check_serving_options(serving, mode)
        lease, timeout, call_timeout = (
            _seconds(option, options.get(option, default))
            for option, default in (("lease", "60"), ("timeout", "600"), ("call_timeout", "30"))
        )
        return cls(namespace, name, mode, serving, options.get("storage", ""), lease, timeout, call_timeout, options.get("gateway", ""))

    def __enter__(self) -> "KServeDestination":
        """Keeps other pushes out by a lease."""
        lease = Lease(self._cluster, self._lease_seconds)
        self._or_stop(lease.acquire)
        self._lease = lease
        return self

    def __exit__(self, *_: Any) -> None:
        """Gives the lease back."""
        if self._lease:
            self._lease.release()
        self._http.close()
        self._cluster.close()

    def current(self) -> Current:
        """Returns what the InferenceService is asked to serve; what else it may do is on its way there."""
        service = self._or_stop(self._read)
        if service is None:
            return Current(None)
        state = self._mode.state(service)
        previous = state.serving.previous if state.serving else None
        return Current(self._release(state.serving), self._release(previous), self._release(state.candidate), state.percent)

    def answering(self) -> frozenset[str] | None:
        """Asks one of the pods, by the service's URL; None where that cannot be reached, or another server than Penstock's runs there."""
        service = self._or_stop(self._read)
        if service is None:
            return frozenset()
        try:
            response = self._request("GET", service.get("status", {}).get("url", ""), "/metrics", None)
        except StepFailed:
            return None
        return frozenset() if response.is_server_error else read_served(response.text, self._name)

    def stage(self, model: Input, release: Release, *, shadow: bool = False) -> None:
        """Copies the model to the storage, and has KServe serve it without traffic, or first of all."""
        if shadow:
            raise TaskError(f"{self._where} cannot shadow: KServe copies no traffic; use strategy canary or blue_green")
        self._keep()
        self._check_can_see()
        version = self._place(model, release)
        service = self._or_stop(self._read)
        complaints = Complaints(self._cluster, service)
        service = service or self._create(version)
        self._refuse_stopped(service)
        first, *others = self._mode.stage(service, version)
        try:
            self._write(first.change)
        except NoAnswer as failure:  # it may have been made all the same
            raise StepFailed(str(failure)) from failure
        except ClusterError as failure:
            raise TaskError(str(failure)) from failure
        self._wait(first, complaints)
        self._take(others)

    def check_shares(self) -> None:
        """Reads from the HTTPRoutes whether KServe splits traffic there, where something serves already.

        Raises:
            TaskError: It does not, and why.
        """
        service = self._or_stop(self._read)
        if service is None or self._mode.state(service).serving is None:
            return
        if why := self._or_stop(lambda: self._mode.why_no_shares(self._cluster.see(service))):
            raise TaskError(f"{self._where} cannot give a canary a share: {why}")

    def secure(self, model: Input, release: Release) -> bool:
        """Copies the model to the storage again where it has changed there: its next pods load it from there."""
        serving = self._mode.state(self._required()).serving
        if serving is None:
            raise StepFailed("nothing serves")
        self._tell_of_other_options(serving)
        try:
            model_storage.require(serving.uri, serving.record_uri, release.fingerprint)
            return True
        except model_storage.Unreadable:
            raise
        except TaskError as damage:
            figure(str(damage))
        self._keep()
        placed = model_storage.place(model, release, self._storage, self._name)
        if model_storage.kserve_uri(placed.uri) != serving.uri:
            raise TaskError(
                f"what serves lies at {serving.uri}, and has changed there; push with that storage, or go back to another model"
            )
        return False

    def shift(self, percent: int) -> None:
        """Gives the candidate a share of the traffic; at 100 it takes the place of what serves."""
        service = self._required()
        candidate = self._mode.state(service).candidate
        if candidate is None:
            raise StepFailed("nothing is staged")
        self._require(candidate)
        seen = self._cluster.see(service)
        why = self._or_fail(lambda: self._mode.why_no_shares(seen)) if percent < 100 and self._mode.state(service).serving else ""
        if why:
            raise StepFailed(why)
        self._take(self._or_fail(lambda: self._mode.shift(seen, percent)))

    def probe(self, instances: list[Any]) -> Answer:
        """Asks the candidate by a URL that reaches only that, or the service as its clients do."""
        self._keep()
        return Answer.of(lambda: self._predict(instances))

    def _predict(self, instances: list[Any], url: str | None = None) -> list[Any]:
        request = "POST", f"/v1/models/{self._name}:predict", {"instances": instances}
        answer = self._ask(*request) if url is None else self._reach(url, *request)
        if not isinstance(answer, dict) or not isinstance(answer.get("predictions"), list):
            raise StepFailed(f"the answer of {self._where} has no predictions: {answer!r:.200}")
        return answer["predictions"]

    def traffic(self, *, beside: bool = False) -> Traffic | None:
        """Reads the metrics of one of the pods; None where they cannot be reached, or another server than Penstock's runs there."""
        try:
            service = self._required()
            state = self._mode.state(service)
            if beside and not (state.serving and state.candidate):
                return None
            text = self._reach(self._mode.url_beside(service), "GET", "/metrics") if beside else self._ask("GET", "/metrics")
        except StepFailed:
            return None
        asked = state.serving if beside else state.candidate or state.serving
        return read_traffic(text, self._name, asked.fingerprint) if asked and isinstance(text, str) else None

    def rollback(self, to: str = "", check: Check = accept) -> Release | None:
        """Sends all traffic back to what serves, or has a version serve that did before."""
        service = self._or_fail(self._read)
        state = self._mode.state(service) if service else State()
        wanted = self._find(state, to) if to else None
        if service is None:
            return None
        self._refuse_stopped(service)
        if state.candidate:
            self._withdraw(service, state)
        if state.candidate and not to:
            return self._release(state.serving)
        target = wanted if to else state.serving and state.serving.previous
        if target is None:
            self._delete(service)
        elif target is not state.serving:
            self._go_back(target, check)
        self._clear_leftovers()
        return self._release(target)

    def retire(self) -> None:
        """Ends the pods that only a quick rollback would need."""
        self._finish([], self._mode.retire(self._required()))
        self._clear_leftovers()

    def _place(self, model: Input, release: Release) -> Version:
        """Copies a model to the storage, and returns how it will be served from there."""
        placed = model_storage.place(model, release, self._storage, self._name)
        uri = model_storage.kserve_uri(placed.uri)
        predictor = build_predictor(self._name, uri, release.fingerprint, release.model_version, self._serving, self._mode_name)
        asked = digest(release.fingerprint, predictor)
        if self._mode_name == STANDARD:  # in Knative mode another name would be another Knative service
            predictor["name"] = predictor_name(asked)
        return Version(
            predictor, release.fingerprint, release.model_version, uri, placed.record_uri, digest=asked, scaling=scaling(predictor)
        )

    def _tell_of_other_options(self, serving: Version) -> None:
        asked = build_predictor(self._name, serving.uri, serving.fingerprint, serving.model_version, self._serving, self._mode_name)
        if serving.digest and digest(serving.fingerprint, asked) != serving.digest:
            figure(f"{self._where} serves this model with other options than these, which count from the next model on")

    def _create(self, version: Version) -> InferenceService:
        """Creates the InferenceService, with its first version as one that has not been promoted."""
        body = inference_service(self._cluster.namespace, self._name, self._mode_name, write_version(version) | {SHARE: 0})
        self._keep()
        try:
            return self._cluster.create(body)
        except Conflict as failure:  # made by somebody else, or by this request before the client repeated it
            service = self._required()
            if version.is_same(self._mode.state(service).candidate):
                return service
            raise TaskError(f"{self._where} has been made by somebody else meanwhile; see what it is, then push again") from failure
        except NoAnswer as failure:
            raise StepFailed(str(failure)) from failure
        except ClusterError as failure:
            raise TaskError(str(failure)) from failure

    def _go_back(self, version: Version, check: Check) -> None:
        """Brings a version up beside what serves, and gives it the traffic once it is right."""
        with unharmed(lambda: None):
            self._require(version)
        way = self._or_fail(lambda: self._mode.go_back(self._cluster.see(self._required()), version))
        with unharmed(lambda: self._finish(*way.undo(self._required()))):
            self._take(way.bring_up)
            check(
                self._release(version) or Release(version.fingerprint),
                lambda instances: Answer.of(lambda: self._predict(instances, way.url(self._required()))),
            )
        self._finish(way.switch, way.tidy)

    def _require(self, version: Version) -> None:
        """Makes sure that a version's bytes are those that were released. One that somebody else has put there has none to compare with."""
        if not version.fingerprint:
            return
        try:
            model_storage.require(version.uri, version.record_uri, version.fingerprint)
        except model_storage.Unreadable as failure:
            if not is_told(version.predictor, version.fingerprint):
                raise StepFailed(str(failure)) from failure
            figure(f"{failure}; its server starts with no other")
        except TaskError as damage:
            raise StepFailed(str(damage)) from damage

    def _withdraw(self, service: InferenceService, state: State) -> None:
        if state.serving is None:
            self._delete(service)
        else:
            self._finish(*self._mode.withdraw(service))

    def _finish(self, steps: list[Step], tidying: list[Step]) -> None:
        """Takes the steps that matter to whoever asks the service, then the others, which a later push makes good for."""
        self._take(steps)
        try:
            self._take(tidying)
        except StepFailed as failure:
            figure(f"traffic is where it should be, but {self._where} could not be tidied up: {failure}")

    def _take(self, steps: list[Step]) -> None:
        """Makes each change and waits until the cluster has followed."""
        for step in steps:
            complaints = Complaints(self._cluster, self._required())
            try:
                self._write(step.change)
            except ClusterError as failure:
                raise StepFailed(str(failure)) from failure
            self._wait(step, complaints)

    def _wait(self, step: Step, complaints: Complaints) -> None:
        selector = self._mode.pod_selector if step.starts_pods else lambda _: ""
        wait_until(self._cluster, complaints, step.is_done, selector, self._timeout, self._keep)

    def _write(self, change: Callable[[InferenceService], None]) -> None:
        """Changes the InferenceService as it is now; nothing is written where the change has been made."""
        for attempt in range(ATTEMPTS):
            service = self._required()
            wanted = copy.deepcopy(service)
            change(wanted)
            if wanted == service:
                return
            self._keep()  # after reading: whoever takes over meanwhile changes the object, and this write is refused
            try:
                self._cluster.replace(wanted)
                return
            except Conflict:
                time.sleep(0.05 * attempt)
        raise Conflict(f"{self._where} is changed by somebody else all the time; see who does, then push again")

    def _delete(self, service: InferenceService) -> None:
        """Deletes the InferenceService and waits until it is gone."""
        deadline, uid = time.monotonic() + self._timeout, service["metadata"]["uid"]
        while (found := self._or_fail(self._cluster.read)) is not None and found["metadata"]["uid"] == uid:
            self._keep()
            if time.monotonic() > deadline:
                raise StepFailed(f"{self._where} has not gone within {self._timeout} s of its deletion")
            try:
                if "deletionTimestamp" not in found["metadata"]:
                    self._cluster.delete(found)
            except Conflict:
                continue
            except ClusterError as failure:
                raise StepFailed(str(failure)) from failure
            time.sleep(FIRST_LOOK_SECONDS)

    def _check_can_see(self) -> None:
        """Makes sure that what says which pods run may be read, before anything is changed."""
        if self._mode_name == STANDARD:
            self._or_stop(lambda: self._cluster.see({}).read(DEPLOYMENT, f"{self._cluster.name}-predictor"))

    def _refuse_stopped(self, service: InferenceService) -> None:
        if why := stopped(service):
            raise TaskError(f"{self._where}: {why}, then try again")

    def _clear_leftovers(self) -> None:
        """Removes what KServe leaves behind; it is no reason to go back where that fails."""
        if self._mode_name == STANDARD:
            with suppress(ClusterError):
                clear_leftovers(self._cluster, self._cluster.read())

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """Asks the candidate, or what serves if there is none; returns the answer's JSON, or its text if it is none."""
        service = self._required()
        state = self._mode.state(service)
        if state.candidate is None or state.serving is None:
            return self._send(method, service.get("status", {}).get("url", ""), path, body)
        return self._reach(self._mode.candidate_url(service), method, path, body)

    def _reach(self, url: str, method: str, path: str, body: Any = None) -> Any:
        """Asks one version by its own URL, which in mode standard is its Kubernetes service's."""
        if self._mode_name == STANDARD and not self._cluster.in_cluster:
            name = urlsplit(url).netloc.partition(".")[0]
            return self._or_fail(lambda: self._cluster.request_service(name, method, path, body))
        return self._send(method, url, path, body)

    def _send(self, method: str, base: str, path: str, body: Any) -> Any:
        response = self._request(method, base, path, body)
        if response.is_error:
            raise StepFailed(f"{base}{path} answered {response.status_code}: {response.text[:300]}")
        return response.json() if "json" in response.headers.get("Content-Type", "") else response.text

    def _request(self, method: str, base: str, path: str, body: Any) -> httpx.Response:
        """Sends a request, again for some seconds if nothing answers: a gateway follows a moment after the status that says it did."""
        if not base:
            raise StepFailed(f"KServe has given {self._where} no URL yet")
        name = urlsplit(base).netloc
        url, headers = (f"{self._gateway.rstrip('/')}{path}", {"Host": name}) if self._gateway else (f"{base.rstrip('/')}{path}", {})
        try:
            return _patiently(self._http.request)(method, url, json=body, headers=headers)
        except httpx.HTTPError as error:
            advice = "" if self._gateway else "; where this name cannot be resolved, give ?gateway= the URL of the ingress gateway"
            raise StepFailed(f"{base}{path} gives no answer ({error}){advice}") from error

    def _find(self, state: State, to: str) -> Version:
        """Returns the version that serves or served with this fingerprint, as it was when it served."""
        served, version = [], state.serving
        while version:
            served.append(version)
            version = version.previous
        found = find_release([Release(known.fingerprint, known.model_version) for known in served], to)
        return next(known for known in served if known.fingerprint == found.fingerprint)

    def _release(self, version: Version | None) -> Release | None:
        """Returns what is known of a version; without its probe where its record is gone, which must not stop a rollback."""
        if version is None:
            return None
        if version.record_uri and version.record_uri not in self._records:
            try:
                self._records[version.record_uri] = model_storage.read_record(version.record_uri)
            except TaskError as error:
                figure(f"no probe of {version.fingerprint[:12]}: {error}")
        known = self._records.get(version.record_uri)
        return known if known and known.fingerprint == version.fingerprint else Release(version.fingerprint, version.model_version)

    def _read(self) -> InferenceService | None:
        """Reads the InferenceService; one that is about to go is none, and whoever pushes waits until it is gone.

        Raises:
            TaskError: It is of the other mode.
        """
        service = self._cluster.read()
        if service and "deletionTimestamp" in service["metadata"]:
            if self._lease:
                self._delete(service)
            return None
        if service is None:
            return None
        status = service.get("status", {})
        mode = status.get("deploymentMode", "")
        if mode and _OLD_NAMES.get(mode, mode) != self._mode_name:
            raise TaskError(f"{self._where} is deployed in mode {mode}, which cannot be changed; give the mode that it has")
        self.url = f"{status['url']}/v1/models/{self._name}:predict" if status.get("url") else self.url
        return service

    def _required(self) -> InferenceService:
        service = self._or_fail(self._read)
        if service is None:
            raise StepFailed(f"{self._where} does not exist any more")
        return service

    def _keep(self) -> None:
        if self._lease:
            self._lease.keep()

    def _or_stop(self, act: Callable[[], Any]) -> Any:
        """Acts; a failure ends the task, for nothing has been changed."""
        try:
            return act()
        except ClusterError as failure:
            raise TaskError(str(failure)) from failure

    def _or_fail(self, act: Callable[[], Any]) -> Any:
        """Acts; a failure is a reason to roll back."""
        try:
            return act()
        except ClusterError as failure:
            raise StepFailed(str(failure)) from failure


def _seconds(option: str, text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise TaskError(f"?{option}={text} is no number of seconds; give a whole number above 0")
    return int(text)


def _patiently(request: Callable[..., httpx.Response]) -> Callable[..., httpx.Response]:
    """Repeats a request that nothing has answered, and returns or raises what came last."""
    return retry(
        retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(lambda response: response.status_code in (404, 502, 503)),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_exponential(multiplier=0.2, max=2),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )(request)

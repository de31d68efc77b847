"""`kserve://NAMESPACE/NAME?mode=`: an InferenceService of a Kubernetes cluster."""

from collections.abc import Callable
from functools import partial
from typing import Any

from penstock.components.evidence.answers import wrong_answer
from penstock.components.protocol import Input, TaskError, figure
from penstock.components.release import storage as model_storage
from penstock.components.release.kubernetes import ClusterError, Conflict, OutcomeUnknown
from penstock.components.release.names import check_kserve_name
from penstock.components.release.release import Release, find_release
from penstock.components.release.served import read_served
from penstock.components.release.settling import wait_until_answered

from ..destination import Answer, Ask, Check, Current, StepFailed, Traffic, accept, or_current_serves
from ..metrics import read_traffic
from ..uri import check_kserve_mode, check_options, read_seconds
from .complaints import Complaints
from .plane import Address, DataPlane, NotReached
from .record import SHARE, KServeVersion, scaling, write_version
from .resource import Resource, or_fail, or_stop
from .seen import InferenceService
from .spec import (
    KNATIVE,
    MODES,
    STANDARD,
    build_predictor,
    digest,
    expects_fingerprint,
    inference_service,
    predictor_name,
)
from .steps import Mode, State, Step, stopped

# Another client may change the object as well: labels manually, the status by the controller.
ATTEMPTS = 10
METRICS = "/metrics"
_OLD_NAMES = {"Serverless": KNATIVE, "RawDeployment": STANDARD}


class KServeDestination:
    """An InferenceService.

    The cluster is the one that KUBECONFIG names, else the one that this process runs in, else that of `~/.kube/config`. Permissions in the
    namespace: get, create, update and delete `inferenceservices`, get, create and update `leases`; to say why pods do not start, list `pods`
    and `events`; in mode standard also get `deployments` and `httproutes`, which say what runs and who has the traffic, list and delete
    `horizontalpodautoscalers` and `httproutes`, which KServe leaves behind. From outside the cluster create and get `services/proxy`, too
    (get alone for `penstock status`).

    URI options:
        mode: `knative` (revisions; scale to zero) or `standard` (Deployments; canaries need the Gateway API and a KServe later than 0.20.0).
            Without it the InferenceService's own, or if there is none the cluster's default, which a dry run of creating one tells.
        storage: Where the model is copied to: `gs://`, `s3://`, `minio://`, `pvc://CLAIM/PATH`. Without it KServe reads the artifact in place.
        lease: For how many seconds another push is kept out by one that has died. Default 60.
        timeout: For how many seconds KServe may take to start a version, or to shift traffic. Default 600.
        call_timeout: For how many seconds one call waits for its answer, a prediction's too. Default 30.
        gateway: The ingress gateway's URL. Whatever has a route is asked there, with its host as Host header; see `kserve_plane`. In mode
            standard shares of the traffic are to be seen nowhere else.

    Attributes:
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
        lease: float,
        timeout: float,
        call_timeout: float,
        gateway: str,
    ) -> None:
        self._name, self._serving, self._storage = name, serving, storage
        self._resource = Resource(namespace, name, mode, serving, timeout, call_timeout)
        self._cluster, self._where = self._resource.cluster, self._resource.where
        self._prediction_path = f"/v1/models/{name}:predict"
        self.stop_command = f"kubectl delete inferenceservice {name} --namespace {namespace}"
        self._lease_seconds = lease
        self._plane = DataPlane(self._cluster, gateway, call_timeout)
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
        check_kserve_name("namespace", namespace)
        check_kserve_name("InferenceService", name)
        check_kserve_mode(options)
        mode = MODES[options["mode"]] if "mode" in options else ""
        lease, timeout, call_timeout = (
            read_seconds(option, options.get(option, default))
            for option, default in (("lease", "60"), ("timeout", "600"), ("call_timeout", "30"))
        )
        return cls(namespace, name, mode, serving, options.get("storage", ""), lease, timeout, call_timeout, options.get("gateway", ""))

    @property
    def url(self) -> str:
        """The URL that answers predictions at the gateway, the same through every release; empty as long as KServe has given none."""
        return self._resource.url and f"{self._resource.url}{self._prediction_path}"

    @property
    def _mode(self) -> Mode:
        return self._resource.mode

    def command(self, body: str) -> str:
        """Returns the command that asks through the gateway, or, where none is named, through the API server."""
        return self._plane.command(self._resource.clients, self._prediction_path, body) if self._resource.clients else ""

    def __enter__(self) -> "KServeDestination":
        """Keeps other pushes out by a lease, once it is known how to push."""
        if not self._resource.mode_name and or_stop(self._resource.read) is None:
            self._resource.use(or_stop(self._cluster.default_mode))
            figure(f"mode={self._resource.mode_name.lower()}, the default of this cluster")
        or_stop(lambda: self._resource.acquire(self._lease_seconds))
        return self

    def __exit__(self, *_: Any) -> None:
        """Gives the lease back."""
        self._plane.close()
        self._resource.close()

    def current(self) -> Current:
        """Returns what the InferenceService is asked to serve; what else it may do is on its way there."""
        service = or_stop(self._resource.read)
        if service is None:
            return Current(None)
        state = self._mode.state(service)
        previous = state.serving.previous if state.serving else None
        return Current(self._release(state.serving), self._release(previous), self._release(state.candidate), state.percent)

    def answering(self) -> frozenset[str] | None:
        """Asks one of the pods, as clients do; None where that is not to be reached, or another server than Penstock's runs there."""
        service = or_stop(self._resource.read)
        if service is None:
            return frozenset()
        try:
            reply = self._plane.send(self._mode.clients_address(service), "GET", METRICS)
        except NotReached:
            return None
        return frozenset() if reply.code >= 500 else read_served(str(reply.content), self._name)

    def asker(self, *, staged: bool = False) -> Ask:
        """Returns what asks one of the pods which version it serves; None says of shares that they cannot be seen from here."""
        self._resource.keep()
        service = self._resource.required()
        state = self._mode.state(service)
        address = self._own_address(service, state) if staged else self._mode.clients_address(service)
        is_split = not staged and state.percent > 0 and state.serving is not None
        return (lambda: None) if is_split and not self._plane.sees_shares(address) else partial(self._who, address, state)

    def _who(self, address: Address, state: State) -> str | None:
        """Asks a server of Penstock's what it serves; the answers of any other are compared with those that are known."""
        try:
            reply = self._plane.send(address, "GET", METRICS)
            if reply.code < 400 and (served := read_served(str(reply.content), self._name)) is not None:
                return next(iter(served), f"a server without the model {self._name}")
            if reply.code < 400 or reply.code == 404:  # another server than Penstock's, or nothing yet
                return self._recognize(address, state)
        except NotReached as failure:
            return f"no answer ({failure})"
        return f"an error {reply.code} of {self._plane.where(address)}"

    def _recognize(self, address: Address, state: State) -> str | None:
        """Tells by its answer to the probe which version it is; None where that tells nothing."""
        known = [release for release in map(self._release, (state.candidate, state.serving)) if release and release.probe]
        if not known:
            return None
        reply = self._plane.send(address, *self._prediction(known[0].probe["instances"]))
        if reply.code >= 400:
            return f"an error {reply.code} of {self._plane.where(address)}"
        fitting = [release for release in known if _answers_as(reply.content, release)]
        return fitting[0].fingerprint if len(fitting) == 1 else None

    def stage(self, model: Input, release: Release, *, shadow: bool = False) -> None:
        """Copies the model to the storage, and has KServe serve it without traffic, or first of all."""
        if shadow:
            raise TaskError(f"{self._where} cannot shadow, because KServe does not copy traffic; use strategy canary or blue_green")
        self._resource.keep()
        self._resource.check_can_see()
        version = self._place(model, release)
        service = or_stop(self._resource.read)
        complaints = Complaints(self._cluster, service)
        service = service or self._create(version)
        self._refuse_stopped(service)
        first, *others = self._mode.stage(service, version)
        try:
            self._resource.write(first.change)
        except OutcomeUnknown as failure:  # it may have been created nevertheless
            raise StepFailed(str(failure)) from failure
        except ClusterError as failure:
            raise TaskError(str(failure)) from failure
        self._resource.wait(first, complaints)
        self._resource.take(others)

    def check_shares(self) -> None:
        """Reads from the HTTPRoutes whether KServe splits traffic there, where something serves already.

        Raises:
            TaskError: It does not, and why.
        """
        service = or_stop(self._resource.read)
        if service is None or self._mode.state(service).serving is None:
            return
        if why := or_stop(lambda: self._mode.why_no_shares(self._cluster.see(service))):
            raise TaskError(f"{self._where} cannot give a share of the traffic to a canary: {why}")

    def secure(self, model: Input, release: Release) -> bool:
        """Copies the model to the storage again where it has changed there: its next pods load it from there."""
        serving = self._mode.state(self._resource.required()).serving
        if serving is None:
            raise StepFailed("nothing serves")
        self._warn_of_other_options(serving)
        try:
            model_storage.require(serving.uri, serving.record_uri, release.fingerprint)
            return True
        except model_storage.Unreadable:
            raise
        except TaskError as damage:
            figure(str(damage))
        self._resource.keep()
        placed = model_storage.place(model, release, self._storage, self._name)
        if model_storage.kserve_uri(placed.uri).rstrip("/") != serving.uri.rstrip("/"):
            raise TaskError(
                f"the files of the current model at {serving.uri} have changed; push with that storage, or roll back to another model"
            )
        return False

    def shift(self, percent: int) -> None:
        """Gives the candidate a share of the traffic; at 100 it takes the place of what serves."""
        service = self._resource.required()
        candidate = self._mode.state(service).candidate
        if candidate is None:
            raise StepFailed("nothing is staged")
        self._require(candidate)
        seen = self._cluster.see(service)
        why = or_fail(lambda: self._mode.why_no_shares(seen)) if percent < 100 and self._mode.state(service).serving else ""
        if why:
            raise StepFailed(why)
        self._resource.take(or_fail(lambda: self._mode.shift(seen, percent)))

    def probe(self, instances: list[Any]) -> Answer:
        """Calls the candidate, or the current version if there is no candidate, at an address of that version alone."""
        self._resource.keep()
        return Answer.of(lambda: self._predict(instances))

    def _predict(self, instances: list[Any], address: Address | None = None) -> list[Any]:
        service = self._resource.required()
        answer = self._plane.ask(address or self._own_address(service, self._mode.state(service)), *self._prediction(instances)).content
        if not isinstance(answer, dict) or not isinstance(answer.get("predictions"), list):
            raise StepFailed(f"the answer of {self._where} contains no predictions: {answer!r:.200}")
        return answer["predictions"]

    def _prediction(self, instances: list[Any]) -> tuple[str, str, Any]:
        return "POST", self._prediction_path, {"instances": instances}

    def _own_address(self, service: InferenceService, state: State) -> Address:
        """Returns the address of the candidate alone, or of the current version if there is no candidate."""
        return self._mode.candidate_address(service) if state.candidate and state.serving else self._mode.serving_address(service)

    def traffic(self, *, beside: bool = False) -> Traffic | None:
        """Reads the metrics of one of the pods; None where they cannot be reached, or another server than Penstock's runs there."""
        try:
            service = self._resource.required()
            state = self._mode.state(service)
            if beside and not (state.serving and state.candidate):
                return None
            address = self._mode.serving_address(service) if beside else self._own_address(service, state)
            text = self._plane.ask(address, "GET", METRICS).content
        except StepFailed:
            return None
        asked = state.serving if beside else state.candidate or state.serving
        return read_traffic(text, self._name, asked.fingerprint) if asked and isinstance(text, str) else None

    def rollback(self, to: str = "", check: Check = accept) -> Release | None:
        """Sends all traffic back to what serves, or has a version serve that did before."""
        service = or_fail(self._resource.read)
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
            self._resource.delete(service)
        elif target is not state.serving:
            self._go_back(target, check)
        return self._release(target)

    def retire(self) -> None:
        """Ends the pods that only a quick rollback would need."""
        self._finish([], self._mode.retire(self._resource.required()))

    def _place(self, model: Input, release: Release) -> KServeVersion:
        """Copies a model to the storage, and returns how it will be served from there."""
        placed = model_storage.place(model, release, self._storage, self._name)
        uri = model_storage.kserve_uri(placed.uri)
        predictor = build_predictor(self._name, uri, release.fingerprint, release.model_version, self._serving, self._resource.mode_name)
        asked = digest(release.fingerprint, predictor)
        if self._resource.mode_name == STANDARD:  # in Knative mode another name would be another Knative service
            predictor["name"] = predictor_name(asked)
        return KServeVersion(
            predictor,
            release.fingerprint,
            release.model_version,
            uri,
            placed.record_uri,
            digest=asked,
            scaling=scaling(predictor),
            model_name=release.model_name,
        )

    def _warn_of_other_options(self, serving: KServeVersion) -> None:
        asked = build_predictor(
            self._name, serving.uri, serving.fingerprint, serving.model_version, self._serving, self._resource.mode_name
        )
        if serving.digest and digest(serving.fingerprint, asked) != serving.digest:
            figure(f"{self._where} serves this model with other options; the new options take effect with the next model")

    def _create(self, version: KServeVersion) -> InferenceService:
        """Creates the InferenceService, with its first version as one that has not been promoted."""
        body = inference_service(self._cluster.namespace, self._name, self._resource.mode_name, write_version(version) | {SHARE: 0})
        self._resource.keep()
        try:
            return self._cluster.create(body)
        except Conflict as failure:  # made by another client, or by this request before the client repeated it
            service = self._resource.required()
            if version.is_same(self._mode.state(service).candidate):
                return service
            raise TaskError(f"{self._where} was created by another client in the meantime; inspect it, then push again") from failure
        except OutcomeUnknown as failure:
            raise StepFailed(str(failure)) from failure
        except ClusterError as failure:
            raise TaskError(str(failure)) from failure

    def _go_back(self, version: KServeVersion, check: Check) -> None:
        """Brings a version up beside what serves, and gives it the traffic once it is right."""
        with or_current_serves(lambda: None):
            self._require(version)
        way = or_fail(lambda: self._mode.go_back(self._cluster.see(self._resource.required()), version))
        with or_current_serves(lambda: self._finish(*way.undo(self._resource.required()))):
            self._resource.take(way.bring_up)
            release = self._release(version) or Release(version.fingerprint)
            self._await(release, way.address)
            check(release, lambda instances: Answer.of(lambda: self._predict(instances, way.address(self._resource.required()))))
        self._finish(way.switch, way.tidy, release)

    def _await(self, release: Release, address: Callable[[InferenceService], Address] | None = None) -> None:
        """Waits until a version gives the answers, at an address of its own or to clients. One that another client has deployed cannot be distinguished."""

        def asker() -> Ask:
            if address is None:
                return self.asker()
            self._resource.keep()
            service = self._resource.required()
            return partial(self._who, address(service), self._mode.state(service))

        if release.fingerprint:
            wait_until_answered(asker, release)

    def _require(self, version: KServeVersion) -> None:
        """Makes sure that a version's bytes are those that were released. One that another client has deployed has no fingerprint to compare with."""
        if not version.fingerprint:
            return
        try:
            model_storage.require(version.uri, version.record_uri, version.fingerprint)
        except model_storage.Unreadable as failure:
            if not expects_fingerprint(version.predictor, version.fingerprint):
                raise StepFailed(str(failure)) from failure
            figure(f"{failure}; its server verifies the fingerprint when it starts")
        except TaskError as damage:
            raise StepFailed(str(damage)) from damage

    def _withdraw(self, service: InferenceService, state: State) -> None:
        if state.serving is None:
            self._resource.delete(service)
        else:
            self._finish(*self._mode.withdraw(service), self._release(state.serving))

    def _finish(self, steps: list[Step], tidying: list[Step], serving: Release | None = None) -> None:
        """Takes the steps that clients depend on, then the others, which a later push can still take.

        What they take away may still be asked by a gateway that has not followed: so they are for when clients are answered by what serves.
        """
        self._resource.take(steps)
        if steps and serving:
            self._await(serving)
        try:
            self._resource.take(tidying)
        except StepFailed as failure:
            figure(f"the traffic is correct, but unused resources of {self._where} remain: {failure}")
        self._resource.tidy()

    def _refuse_stopped(self, service: InferenceService) -> None:
        if why := stopped(service):
            raise TaskError(f"{self._where}: {why}, then try again")

    def _find(self, state: State, to: str) -> KServeVersion:
        """Returns the version that serves or served with this fingerprint, as it was when it served."""
        served, version = [], state.serving
        while version:
            served.append(version)
            version = version.previous
        found = find_release([Release(known.fingerprint, known.model_version) for known in served], to)
        return next(known for known in served if known.fingerprint == found.fingerprint)

    def _release(self, version: KServeVersion | None) -> Release | None:
        """Returns what is known of a version; without its probe where its record is gone, which must not stop a rollback."""
        if version is None:
            return None
        if version.record_uri and version.record_uri not in self._records:
            try:
                self._records[version.record_uri] = model_storage.read_record(version.record_uri)
            except TaskError as error:
                figure(f"no probe of {version.fingerprint[:12]}: {error}")
        known = self._records.get(version.record_uri)
        if known and known.fingerprint == version.fingerprint:
            return known
        return Release(version.fingerprint, version.model_version, model_name=version.model_name)


def _answers_as(answer: Any, release: Release) -> bool:
    """Tells whether an answer is the one that is known of a version."""
    predictions = answer.get("predictions") if isinstance(answer, dict) else None
    return isinstance(predictions, list) and not wrong_answer(predictions, release.probe)

"""`vertex://PROJECT/LOCATION/ENDPOINT`: an endpoint of Vertex AI."""

import math
import time
from dataclasses import replace
from typing import Any

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.aiplatform_v1.types import DeployedModel, Endpoint, PredictRequest, PredictResponse
from google.protobuf import json_format

from penstock.components.protocol import Input, TaskError, figure
from penstock.components.release import storage as model_storage
from penstock.components.release.release import Release, find_release
from penstock.components.release.vertex import TIMEOUT_SECONDS, VertexApi

from ..destination import Answer, Ask, Check, Current, StepFailed, accept, curl, or_current_serves
from ..uri import check_options, read_seconds
from .deploy import Deployments
from .endpoint import VertexEndpoint
from .models import Note, VertexModels, read_note
from .record import Record, VertexVersion, deployed_id, read_record, write_record
from .spec import Serving

_LONGEST_NAME = 128
# A new traffic split takes a moment to be followed.
_TRIES, _PAUSE_SECONDS = 20, 0.5
# How likely it may be that a version with a share of the traffic got none of the requests.
_UNLUCKY = 1e-6


class VertexDestination:
    """An endpoint, whose traffic a version takes over by shares.

    A deployed model without traffic cannot be asked through an endpoint. So a version is staged on an endpoint of its own,
    `ENDPOINT-candidate`, where it is probed; the first shift deploys it on the endpoint proper, without traffic, and then gives it its
    share. From there on it is asked through the endpoint proper, until an answer names it as who gave it. While it is staged, it takes
    the quota of two deployments.

    All that changes who has the traffic is one UpdateEndpoint call with an etag, which carries the record of it in the labels and the
    description, and the lease that keeps other pushes out; the API refuses it if anybody was faster. Deploying and undeploying take no
    etag, but change no traffic: see `VertexEndpoint`. Vertex AI has no way to copy traffic to a shadow.

    The endpoint is found by its ID or its display name, and made under that name if it is not there. Credentials are the Application
    Default Credentials, with roles/aiplatform.user, and roles/iam.serviceAccountUser on a service account that is named.

    URI options:
        storage: Where the model is copied to, `gs://BUCKET/FOLDER`. Without it Vertex AI reads the artifact in place.
        lease: For how many seconds another push is kept out by one that has died. Default 60.
        timeout: For how many seconds an upload or a deployment may take. Default 1800.
        call_timeout: For how many seconds one call waits for its answer, a prediction's too. Default 30.
        api_endpoint: `HOST:PORT` to ask instead of `LOCATION-aiplatform.googleapis.com`, such as a Private Service Connect address.

    Attributes:
        stop_command: The command that deletes the endpoint, once nothing is deployed there.
        strategies: All but `shadow`.
    """

    strategies = frozenset({"replace", "canary", "blue_green"})

    def __init__(
        self, api: VertexApi, endpoint: str, model_name: str, serving: Serving, storage: str, lease_seconds: float, timeout: float
    ) -> None:
        self._api, self._name, self._serving, self._storage, self._timeout = api, model_name, serving, storage, timeout
        self._endpoint = VertexEndpoint(api, endpoint, lease_seconds, timeout)
        self._models = VertexModels(api, model_name, timeout)
        self._releases: dict[str, Release] = {}
        self.stop_command = f"gcloud ai endpoints delete {endpoint} --project {api.project} --region {api.location}"

    @classmethod
    def from_uri(cls, path: str, options: dict[str, str], model_name: str, serving_options: dict[str, Any]) -> "VertexDestination":
        """Reads a URI's parts.

        Raises:
            TaskError: A part, an option or a serving option is invalid.
        """
        check_options(options, {"storage", "lease", "timeout", "call_timeout", "api_endpoint"}, "vertex")
        parts = path.split("/")
        if len(parts) != 3 or not all(parts) or len(parts[2]) > _LONGEST_NAME:
            raise TaskError(
                f"destination vertex://{path} is invalid; give vertex://PROJECT/LOCATION/ENDPOINT, with an ID or a display name"
            )
        storage = options.get("storage", "")
        if storage and not storage.startswith("gs://"):
            raise TaskError(f"vertex:// reads models from Cloud Storage only; give storage=gs://BUCKET/FOLDER, not {storage!r}")
        lease, timeout, call_timeout = (
            read_seconds(name, options.get(name, default))
            for name, default in (("lease", "60"), ("timeout", str(TIMEOUT_SECONDS)), ("call_timeout", "30"))
        )
        api = VertexApi(parts[0], parts[1], options.get("api_endpoint", ""), call_timeout)
        return cls(api, parts[2], model_name, Serving.from_options(serving_options), storage, lease, timeout)

    @property
    def url(self) -> str:
        """The URL that answers predictions."""
        return f"https://{self._api.host}/v1/{self._endpoint.resource}:predict"

    def command(self, body: str) -> str:
        """Returns the command that asks the endpoint as who is logged in to gcloud."""
        return f'{curl(self.url, body)} -H "Authorization: Bearer $(gcloud auth print-access-token)"'

    def __enter__(self) -> "VertexDestination":
        """Keeps other pushes out by a lease on the endpoint."""
        with self._api.errors_as(TaskError, "take the lease"):
            self._endpoint.acquire()
        return self

    def __exit__(self, *_: Any) -> None:
        """Gives the lease back; where it cannot be, it expires."""
        self._endpoint.release()

    def current(self) -> Current:
        """Returns who has the endpoint's traffic, whatever the record says."""
        with self._api.errors_as(TaskError, "read the endpoint"):
            endpoint = self._endpoint.find()
            if endpoint is None:
                return Current(None)
            record = self._record(endpoint)
        percent = endpoint.traffic_split.get(record.candidate.deployed_id, 0) if record.candidate else 0
        return Current(self._release(record.serving), self._release(record.previous), self._release(record.candidate), percent)

    def answering(self) -> frozenset[str] | None:
        """Requests predictions for the probe. Returns them with the versions that answered, or None without a probe or the right to predict."""
        with self._api.errors_as(TaskError, "read the endpoint"):
            endpoint = self._endpoint.find()
            record = self._record(endpoint) if endpoint else Record()
            release = self._release(record.serving)
        if endpoint is None or release is None:
            return frozenset()
        if not release.probe:
            return None
        request = PredictRequest(endpoint=endpoint.name)
        request.instances.extend(release.probe["instances"])
        try:
            asked = self._api.call(self._api.predictions.predict, request).deployed_model_id
        except exceptions.ServerError:
            return frozenset()
        except (exceptions.GoogleAPICallError, GoogleAuthError):
            return None
        known = {version.deployed_id: version.fingerprint for version in (*record.served, record.candidate) if version}
        return frozenset({known.get(asked, f"the deployed model {asked}")})

    def check_shares(self) -> None:
        """Does nothing: any share can be had."""

    def asker(self, *, staged: bool = False) -> Ask:
        """Returns a function that returns None: Vertex AI's answers name their version, so the rollout waits for that version's answer."""
        return lambda: None

    def stage(self, model: Input, release: Release, *, shadow: bool = False) -> None:
        """Uploads the model as a version, records it as the candidate, and deploys it on the candidate's endpoint."""
        if shadow:
            raise TaskError("vertex:// cannot shadow, because Vertex AI does not copy traffic; use strategy canary or blue_green")
        with self._api.errors_as(TaskError, "upload the model"):
            version = self._upload(model, release)
        with self._api.errors_as(StepFailed, f"stage {release.label}"):
            self._endpoint.update(
                lambda endpoint: write_record(endpoint, self._record(endpoint).staged(version, dict(endpoint.traffic_split)))
            )
            place = self._candidate_endpoint()
            where = self._deployments(place.ensure({"penstock_candidate_of": self._endpoint.id}).name)
            self._clear(where)
            figure(f"deploy {release.label} on {where.endpoint}")
            staged = self._deploy(where, version)
            where.direct({staged.deployed_id: 100})

    def secure(self, model: Input, release: Release) -> bool:
        """Does nothing, because Vertex AI serves its own copy, which cannot be changed."""
        return True

    def shift(self, percent: int) -> None:
        """Deploys the candidate on the endpoint, and gives it its share; others keep theirs in proportion. Alone there, it gets all."""
        with self._api.errors_as(StepFailed, f"shift {percent} % of the traffic"):
            self._endpoint.renew()
            record = self._record(self._endpoint.read())
            if record.candidate is None:
                raise StepFailed("nothing is staged")
            candidate = self._deploy(self._deployments(self._endpoint.name), record.candidate)

            def change(endpoint: Endpoint) -> None:
                record = self._record(endpoint)
                endpoint.traffic_split = _shared(_still_deployed(record.split, endpoint), candidate.deployed_id, percent)
                if record.candidate and percent == 100:
                    write_record(endpoint, record.promoted())

            self._endpoint.update(change)

    def probe(self, instances: list[Any]) -> Answer:
        """Asks the endpoint until the version in question has answered, or the candidate's endpoint as long as it has no traffic."""
        with self._api.errors_as(StepFailed, "predict"):
            self._endpoint.renew()
            endpoint = self._endpoint.read()
            record = self._record(endpoint)
            asked = record.candidate or record.serving
            if asked is None:
                raise StepFailed("nothing is deployed")
            if share := endpoint.traffic_split.get(asked.deployed_id, 0):
                return self._ask(endpoint.name, asked.deployed_id, share, instances)
            name = self._candidate_endpoint().read().name
            return self._ask(name, deployed_id(name, asked.model), 100, instances)

    def traffic(self, *, beside: bool = False) -> None:
        """Says nothing: what Vertex AI counts is in Cloud Monitoring, minutes later."""

    def rollback(self, to: str = "", check: Check = accept) -> Release | None:
        """Restores the traffic split from before the candidate, or gives all to a version that served, deployed again if need be."""
        with self._api.errors_as(StepFailed, "roll back"):
            endpoint = self._endpoint.find()
            if endpoint is None:
                return None
            self._endpoint.renew()
            record = self._record(endpoint)
            if record.candidate and not to:
                restored = replace(record, candidate=None, split={})
                self._endpoint.update(lambda endpoint: _restore(endpoint, restored, record.split))
            else:
                target = self._find(record, to) if to else record.previous
                restored = record.back_to(self._go_back(target, record, dict(endpoint.traffic_split), check))
            self._clean()
        return self._release(restored.serving)

    def retire(self) -> None:
        """Undeploys what has no traffic, and the candidate's double on its own endpoint."""
        with self._api.errors_as(StepFailed, "read the endpoint"):
            self._endpoint.renew()
            self._clean()

    def _upload(self, model: Input, release: Release) -> VertexVersion:
        self._endpoint.renew()
        placed = model_storage.place(model, release, self._storage, self._name)
        self._releases[placed.record_uri] = release
        note = Note(release.fingerprint, placed.uri, tags={"model_version": release.model_version, "record_uri": placed.record_uri})
        container = self._serving.container(self._api.location, self._name, release.model_version, release.fingerprint)
        name = self._models.upload(note, container, self._endpoint.renew)
        if not self._serving.image:  # a server that cannot verify the fingerprint
            self._require_copied(name, placed, release)
        key = deployed_id(self._endpoint.read().name, name)
        return VertexVersion(release.fingerprint, release.model_version, name, placed.uri, placed.record_uri, key)

    def _require_copied(self, name: str, placed: model_storage.Placed, release: Release) -> None:
        """Makes sure that what Vertex AI has copied for itself had not changed meanwhile."""
        try:
            model_storage.require(placed.uri, placed.record_uri, release.fingerprint)
        except TaskError:
            self._models.disown(name)
            raise

    def _deploy(self, where: Deployments, version: VertexVersion) -> VertexVersion:
        """Deploys a version on an endpoint without traffic, unless it is there; gives it with the ID that it has there."""
        placed = replace(version, deployed_id=deployed_id(where.endpoint, version.model))
        where.deploy(
            DeployedModel(
                id=placed.deployed_id,
                model=version.model,
                display_name=f"{self._name} {version.fingerprint[:12]}",
                dedicated_resources=self._serving.resources(),
                service_account=self._serving.service_account,
            )
        )
        return placed

    def _go_back(self, version: VertexVersion | None, record: Record, split: dict[str, int], check: Check) -> VertexVersion | None:
        """Gives all the traffic to a version that served, deployed again if need be, or to none.

        What has been undeployed is checked on the candidate's endpoint first. What is still deployed has no traffic there and cannot be asked;
        it has not changed since it served, and loses the traffic again if it does not answer as it did.
        """
        where = self._deployments(self._endpoint.name)
        is_there = version is None or where.has(version.deployed_id)
        if version and not is_there:
            with or_current_serves(self._clean), self._api.errors_as(StepFailed, f"bring up {version.fingerprint[:12]}"):
                self._prove(version, check)
                version = self._deploy(where, version)
        target = version
        self._endpoint.update(lambda endpoint: _restore(endpoint, record.back_to(target), {}))
        if target and is_there and target != record.serving:
            with or_current_serves(lambda: self._put_back(record, split)):
                self._check(target, self._endpoint.name, target.deployed_id, check)
        return target

    def _prove(self, version: VertexVersion, check: Check) -> None:
        """Checks a version on the candidate's endpoint."""
        place = self._candidate_endpoint()
        where = self._deployments(place.ensure({"penstock_candidate_of": self._endpoint.id}).name)
        figure(f"deploy {version.fingerprint[:12]} on {where.endpoint}")
        proven = self._deploy(where, version)
        where.direct({proven.deployed_id: 100})
        self._check(version, where.endpoint, proven.deployed_id, check)

    def _check(self, version: VertexVersion, endpoint: str, deployed: str, check: Check) -> None:
        release = self._release(version) or Release(version.fingerprint)
        check(release, lambda instances: self._ask(endpoint, deployed, 100, instances))

    def _put_back(self, record: Record, split: dict[str, int]) -> None:
        self._endpoint.update(lambda endpoint: _restore(endpoint, record, split))

    def _clean(self) -> None:
        """Undeploys unused models. If that fails, they cost money but cause no harm, and the next push undeploys them."""
        endpoint = self._endpoint.read()
        record = self._record(endpoint)
        keep = [version.deployed_id for version in (record.serving, record.candidate) if version]
        try:
            self._deployments(endpoint.name).undeploy_idle(keep)
            if record.candidate is None and (place := self._candidate_endpoint().find()):
                self._clear(self._deployments(place.name))
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            figure(f"an unused deployment could not be removed ({error}); the next push removes it")

    def _clear(self, where: Deployments) -> None:
        """Undeploys from the candidate's endpoint what is not the candidate."""
        record = self._record(self._endpoint.read())
        keep = deployed_id(where.endpoint, record.candidate.model) if record.candidate else ""
        where.direct({keep: 100} if where.has(keep) else {})
        where.undeploy_idle([keep])

    def _deployments(self, name: str) -> Deployments:
        return Deployments(self._api, name, self._timeout, self._endpoint.renew)

    def _candidate_endpoint(self) -> VertexEndpoint:
        return VertexEndpoint(self._api, f"{self._endpoint.id}-candidate", 0.0, self._timeout)

    def _ask(self, endpoint: str, deployed: str, share: int, instances: list[Any]) -> Answer:
        """Asks an endpoint until a deployed model with a share of its traffic has answered."""
        request = PredictRequest(endpoint=endpoint)
        request.instances.extend(instances)
        tries = _TRIES if share == 100 else max(_TRIES, math.ceil(math.log(_UNLUCKY) / math.log1p(-share / 100)))
        for _ in range(tries):
            started = time.monotonic()
            response = self._api.call(self._api.predictions.predict, request, patience=1.0)
            if response.deployed_model_id == deployed:
                predictions = json_format.MessageToDict(PredictResponse.pb(response)).get("predictions", [])
                return Answer(predictions, time.monotonic() - started)
            self._endpoint.renew()
            time.sleep(_PAUSE_SECONDS if share == 100 else 0.0)
        raise StepFailed(
            f"{endpoint} gave {tries} answers, but none from the deployed model {deployed}, which has {share} % of the traffic"
        )

    def _record(self, endpoint: Endpoint) -> Record:
        """Reads what is recorded, made true by who has the traffic: it may have been changed manually."""
        record = read_record(endpoint)
        own = record.candidate.deployed_id if record.candidate else ""
        shares = {key: share for key, share in endpoint.traffic_split.items() if share and key != own}
        largest = max(shares, key=lambda key: shares[key], default="")
        if largest == (record.serving.deployed_id if record.serving else ""):
            return record
        known = {version.deployed_id: version for version in record.served}
        serving = (known.get(largest) or self._identify(endpoint, largest)) if largest else None
        history = (version for version in record.served if serving is None or version.fingerprint != serving.fingerprint)
        return replace(record, serving=serving, history=tuple(history))

    def _identify(self, endpoint: Endpoint, deployed: str) -> VertexVersion:
        """Finds out by its Model what serves without a record."""
        found = next(item for item in endpoint.deployed_models if item.id == deployed)
        name = f"{found.model.partition('@')[0]}@{found.model_version_id}"
        try:
            note = read_note(self._api.call(self._api.models.get_model, {"name": name}))
        except exceptions.NotFound:
            note = Note()
        return VertexVersion(
            note.fingerprint, note.tags.get("model_version", ""), name, note.source, note.tags.get("record_uri", ""), deployed
        )

    def _find(self, record: Record, to: str) -> VertexVersion:
        wanted = find_release([Release(version.fingerprint, version.model_version) for version in record.served], to)
        return next(version for version in record.served if version.fingerprint == wanted.fingerprint)

    def _release(self, version: VertexVersion | None) -> Release | None:
        if version is None:
            return None
        if not version.record_uri:
            return Release(version.fingerprint, version.model_version)
        if version.record_uri not in self._releases:
            try:
                self._releases[version.record_uri] = model_storage.read_record(version.record_uri)
            except model_storage.RecordMissing as error:  # it serves nevertheless
                figure(str(error))
                return Release(version.fingerprint, version.model_version)
        known = self._releases[version.record_uri]
        return known if known.fingerprint == version.fingerprint else Release(version.fingerprint, version.model_version)


def _restore(endpoint: Endpoint, record: Record, split: dict[str, int]) -> None:
    """Gives an endpoint a split, or all the traffic to what serves where that split can no longer be."""
    left = _still_deployed(split, endpoint)
    everything = {record.serving.deployed_id: 100} if record.serving else {}
    endpoint.traffic_split = left if sum(left.values()) == 100 else everything
    write_record(endpoint, record)


def _still_deployed(split: dict[str, int], endpoint: Endpoint) -> dict[str, int]:
    there = {deployed.id for deployed in endpoint.deployed_models}
    return {key: share for key, share in split.items() if share and key in there}


def _shared(split: dict[str, int], candidate: str, percent: int) -> dict[str, int]:
    """Returns the split with a share for the candidate, and what is left for the others in proportion."""
    total = sum(split.values())
    left = 100 - percent
    if not total or not left:
        return {candidate: 100}
    shares = {key: share * left // total for key, share in split.items()}
    shares[max(split, key=lambda key: split[key])] += left - sum(shares.values())
    return shares | {candidate: percent}

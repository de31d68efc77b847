"""The requests to Vertex AI, which are known without a call."""

import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.cloud.aiplatform_v1 import CreatePipelineJobRequest
from google.protobuf import json_format

from penstock.errors import UserError
from penstock.remote.settings import VertexSettings
from penstock.remote.target import Submission
from penstock.remote.vertex import VertexTarget
from penstock.spec.pipeline_file import PipelineFile

from ...pipelines import compiled, gate, to

KEY = "projects/keys/locations/us-central1/keyRings/ring/cryptoKeys/key"
SETTINGS = VertexSettings(
    project="my-project",
    location="us-central1",
    network="projects/123456789012/global/networks/shared",
    encryption_key=KEY,
    labels={"team": "flights"},
    failure_policy="fast",
)


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    file = PipelineFile(compiled(gate, tmp_path))
    return Submission(
        file,
        file.document,
        None,
        {"folder": to(tmp_path)},
        "a gate, once",
        service_account="runner@my-project.iam.gserviceaccount.com",
        pipeline_root="gs://bucket/root",
    )


def job_of(submission: Submission, settings: VertexSettings = SETTINGS) -> dict[str, Any]:
    return VertexTarget(settings).request(submission)["pipelineJob"]


def test_a_run_has_everything_that_is_set_and_the_file_stays_as_it_is(submission: Submission, tmp_path: Path) -> None:
    before, spec = submission.pipeline.path.read_bytes(), copy.deepcopy(submission.spec)
    request = VertexTarget(SETTINGS).request(submission)
    assert request["parent"] == "projects/my-project/locations/us-central1"
    assert request["pipelineJobId"].startswith("gate-20")
    job = request["pipelineJob"]
    assert job.pop("pipelineSpec") == spec
    assert job == {
        "displayName": "a gate, once",
        "labels": {"team": "flights", "penstock_pipeline": "gate", "penstock_run": request["pipelineJobId"]},
        "runtimeConfig": {
            "gcsOutputDirectory": "gs://bucket/root",
            "parameterValues": {"folder": to(tmp_path)},
            "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
        },
        "encryptionSpec": {"kmsKeyName": KEY},
        "serviceAccount": "runner@my-project.iam.gserviceaccount.com",
        "network": "projects/123456789012/global/networks/shared",
    }
    json_format.ParseDict(request, CreatePipelineJobRequest.pb(CreatePipelineJobRequest()))
    assert (submission.pipeline.path.read_bytes(), submission.spec) == (before, spec)


def test_a_small_number_is_a_number(submission: Submission) -> None:
    """Google's client reads the file as YAML 1.1, where JSON's `1e-06` is text."""
    spec = copy.deepcopy(submission.spec)
    spec["root"]["inputDefinitions"]["parameters"]["tolerance"] = {"defaultValue": 1e-6, "parameterType": "NUMBER_DOUBLE"}
    assert job_of(replace(submission, spec=spec))["pipelineSpec"] == spec


def test_a_run_without_the_cache(submission: Submission) -> None:
    job = job_of(replace(submission, caching=False))
    dags = [job["pipelineSpec"]["root"]["dag"], job["pipelineSpec"]["components"]["comp-condition-1"]["dag"]]
    assert [task["cachingOptions"] for dag in dags for task in dag["tasks"].values()] == [{"enableCache": False}] * 3


def test_the_root_that_was_compiled_in_is_where_nothing_else_is_given(submission: Submission) -> None:
    with_root = replace(submission, pipeline_root="", spec=submission.spec | {"defaultPipelineRoot": "gs://compiled/root"})
    assert job_of(with_root)["runtimeConfig"]["gcsOutputDirectory"] == "gs://compiled/root"


def test_every_request_has_an_id_of_its_own_that_vertex_takes(submission: Submission) -> None:
    target = VertexTarget(SETTINGS)
    ids = {target.request(submission)["pipelineJobId"] for _ in range(8)}
    assert len(ids) == 8
    submission.pipeline.spec.pipeline_info.name = f"7 Gates, {'very ' * 40}long"
    key = target.request(submission)["pipelineJobId"]
    assert key.startswith("run-7-gates-very-very-")
    assert len(key) == 128


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({"pipeline_root": ""}, {}, "give --pipeline-root gs://BUCKET/FOLDER"),
        ({"pipeline_root": "minio://bucket/root"}, {}, "minio://bucket/root is not in Cloud Storage"),
        ({"experiment": "My Flights"}, {}, "experiment 'My Flights'"),
        ({"name": "n" * 129}, {}, "at most 128 characters"),
        ({"platform": {"platforms": {"kubernetes": {}}}}, {}, "omit --platform"),
        ({"parameters": {"folders": "x"}}, {}, "parameter folders is not found"),
        ({}, {"labels": {"Team": "flights"}}, "label Team=flights"),
        ({}, {"labels": {"team": "flightS"}}, "label team=flightS"),
        ({}, {"labels": {"team": "My Flights"}}, "label team=My Flights"),
        ({}, {"labels": {f"label{number}": "" for number in range(63)}}, "at most 64 labels, of which Penstock needs two"),
        ({}, {"network": "shared"}, "network 'shared'"),
        ({}, {"encryption_key": "key"}, "encryption_key 'key'"),
        ({}, {"encryption_key": KEY.replace("us-central1", "europe-west4")}, "is in europe-west4, but the runs are in us-central1"),
        ({}, {"location": "us-central9"}, "us-central9"),
        ({}, {"location": "Iowa"}, "has no valid project and region"),
        ({}, {"project": "My Project"}, "has no valid project and region"),
    ],
)
def test_what_vertex_would_refuse_is_refused_before_anything_is_sent(
    submission: Submission, changes: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        job_of(replace(submission, **changes), replace(SETTINGS, **settings))
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    ("field", "message"), [("project", "--project, GOOGLE_CLOUD_PROJECT"), ("location", "--location, GOOGLE_CLOUD_LOCATION")]
)
def test_without_a_project_or_a_region_it_says_where_they_come_from(field: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        VertexTarget(replace(SETTINGS, **{field: ""}))


def test_there_is_no_list_of_pipelines_to_upload_to(submission: Submission) -> None:
    with pytest.raises(UserError, match=r"no list of pipelines to upload gate\.yaml to"):
        VertexTarget(SETTINGS).upload(submission)


@pytest.mark.parametrize("verb", ["runs()", "logs('gate', 'make')", "schedules()"])
def test_without_the_client_it_says_what_to_install(verb: str) -> None:
    script = (
        "import sys; sys.modules['google.cloud.aiplatform_v1'] = None\n"
        "from penstock.remote.settings import VertexSettings\n"
        "from penstock.remote.vertex import VertexTarget\n"
        f"try: list(VertexTarget(VertexSettings(project='my-project', location='us-central1')).{verb})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "UserError Vertex AI's client is not installed; run: pip install 'penstock[vertex]'\n"

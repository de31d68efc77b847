"""Which settings hold, and the errors in a `penstock.toml`."""

import re
from pathlib import Path

import pytest

from penstock.errors import UserError
from penstock.remote.contexts import find_settings
from penstock.remote.settings import KubeflowSettings, VertexSettings

# As `terraform output -raw penstock_toml` writes it.
TOML = """
[contexts.kubeflow]
experiment = "flights"
host = "http://ml-pipeline-ui.kubeflow.svc.cluster.local"
namespace = "kubeflow"
pipeline_root = "gs://bucket/runs"
service_account = "pipeline-runner"
target = "kubeflow"

[contexts.kubeflow.parameters]
destination = "kserve://models/flights?mode=standard\\u0026gateway=http://gateway"
tracking_uri = "he said \\"yes\\""

[contexts.vertex]
location = "europe-west4"
project = "demo-project"
target = "vertex"

[contexts.vertex.parameters]
destination = "vertex://demo-project/europe-west4/1234567890"
"""
VARIABLES = (
    "KF_PIPELINES_ENDPOINT KF_PIPELINES_UI_ENDPOINT KF_PIPELINES_IAP_OAUTH2_CLIENT_ID "
    "GOOGLE_CLOUD_PROJECT GOOGLE_CLOUD_REGION CLOUD_ML_REGION GOOGLE_CLOUD_LOCATION"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory two folders below the one with the file, and none of the variables."""
    for name in VARIABLES.split():
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    return tmp_path


@pytest.fixture
def file(folder: Path) -> Path:
    place = folder / "penstock.toml"
    place.write_text(TOML)
    return place


def _refused(context: str, target: str, flags: dict[str, str], *texts: str) -> None:
    with pytest.raises(UserError) as caught:
        find_settings(context, target, flags)
    for words in texts:
        assert words in caught.value.message


def test_what_terraform_writes(file):
    assert find_settings("", "kubeflow", {}) == (
        "kubeflow",
        KubeflowSettings(
            experiment="flights",
            host="http://ml-pipeline-ui.kubeflow.svc.cluster.local",
            namespace="kubeflow",
            pipeline_root="gs://bucket/runs",
            service_account="pipeline-runner",
            parameters={"destination": "kserve://models/flights?mode=standard&gateway=http://gateway", "tracking_uri": 'he said "yes"'},
        ),
    )
    assert find_settings("vertex", "", {}) == (
        "vertex",
        VertexSettings(
            project="demo-project",
            location="europe-west4",
            parameters={"destination": "vertex://demo-project/europe-west4/1234567890"},
        ),
    )


def test_without_a_file_there_are_flags_and_defaults():
    assert find_settings("", "vertex", {"project": "p", "location": ""}) == ("vertex", VertexSettings(project="p"))


def test_flags_win_over_the_environment_which_wins_over_the_file(file, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "https://of-the-environment")
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://pages")
    monkeypatch.setenv("KF_PIPELINES_IAP_OAUTH2_CLIENT_ID", "client")
    _, settings = find_settings("", "kubeflow", {"namespace": "mine"})
    assert isinstance(settings, KubeflowSettings)
    assert (settings.host, settings.ui_host, settings.client_id) == ("https://of-the-environment", "https://pages", "client")
    assert (settings.namespace, settings.experiment) == ("mine", "flights")
    _, settings = find_settings("", "kubeflow", {"host": "https://of-the-flag"})
    assert isinstance(settings, KubeflowSettings)
    assert settings.host == "https://of-the-flag"


@pytest.mark.parametrize("variable", ["CLOUD_ML_REGION", "GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION"])
def test_googles_variables(monkeypatch, variable):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv(variable, "europe-west1")
    assert find_settings("", "vertex", {})[1] == VertexSettings(project="p", location="europe-west1")


def test_of_several_contexts_the_one_named_like_the_target(file):
    file.write_text(TOML + '[contexts.production]\ntarget = "kubeflow"\nnamespace = "production"\n')
    assert find_settings("", "kubeflow", {})[1].experiment == "flights"
    assert find_settings("production", "", {}) == ("kubeflow", KubeflowSettings(namespace="production"))


def test_of_several_contexts_one_must_be_chosen(file):
    file.write_text('[contexts.one]\ntarget = "vertex"\n[contexts.two]\ntarget = "vertex"\n')
    _refused("", "vertex", {}, "several contexts of vertex", "--context one or two")
    _refused("", "", {}, "--target kubeflow or vertex", "--context one or two")
    assert find_settings("", "kubeflow", {}) == ("kubeflow", KubeflowSettings())


def test_the_only_context_is_the_target(file):
    file.write_text('[contexts.team]\ntarget = "vertex"\nproject = "p"\n')
    assert find_settings("", "", {}) == ("vertex", VertexSettings(project="p"))


def test_contexts_that_are_not_there(file):
    _refused("kubflow", "", {}, "has no context kubflow; did you mean kubeflow?", str(file))
    _refused("vertex", "kubeflow", {}, "context vertex", "belongs to vertex, not to kubeflow")
    file.unlink()
    _refused("vertex", "", {}, "no penstock.toml")
    _refused("", "", {}, "no target is given: use --target kubeflow or vertex")


def test_paths_are_relative_to_the_file(file):
    file.write_text('[contexts.k]\ntarget = "kubeflow"\ntoken_file = "secrets/token"\nplatform = "/etc/platform.yaml"\n')
    _, settings = find_settings("", "kubeflow", {"ca_certificate": "ca.pem"})
    assert isinstance(settings, KubeflowSettings)
    assert settings.token_file == str(file.parent / "secrets" / "token")
    assert (settings.platform, settings.ca_certificate) == ("/etc/platform.yaml", "ca.pem")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[contexts.k]\ntarget = "kubeflow"\nhots = "x"', "[contexts.k]: hots is not a setting of kubeflow; did you mean host?"),
        ('[contexts.k]\ntarget = "kubeflow"\nproject = "x"', "[contexts.k]: project is not a setting of kubeflow; it has experiment"),
        ('[contexts.k]\ntarget = "kubeflow"\nnamespace = 3', "[contexts.k]: namespace must be text in quotes, not 3"),
        ('[contexts.k]\ntarget = "kubeflow"\n[contexts.k.parameters]\nday = 2026-01-01', "parameters.day must be a JSON value"),
        ('[contexts.v]\ntarget = "vertex"\n[contexts.v.labels]\nteam = 1', "labels.team must be text in quotes, not 1"),
        ('[contexts.v]\ntarget = "vertex"\nfailure_policy = "faster"', "failure_policy must be one of slow, fast, not 'faster'"),
        ('[contexts.v]\ntarget = "vertx"', "[contexts.v]: target must be one of kubeflow, vertex, not 'vertx'"),
        ('[contexts.v]\nproject = "p"', "[contexts.v]: target must be one of kubeflow, vertex, not None"),
        ('[contexts]\nkubeflow = "http://here"', "[contexts.kubeflow] is not a table"),
        ("contexts = 3", "contexts is not a table"),
        ('[context.k]\ntarget = "kubeflow"', "has the unknown key context"),
        ('[contexts.k\ntarget = "kubeflow"', "cannot read"),
        ('[contexts.k]\ntarget = "kubeflow"\ntoken = "abc"', "token is a secret"),
        ('[contexts.k]\ntarget = "kubeflow"\npassword = "abc"', "PENSTOCK_KUBEFLOW_PASSWORD"),
        ('[contexts.k]\ntarget = "kubeflow"\ncookies = "abc"', "PENSTOCK_KUBEFLOW_COOKIES"),
    ],
)
def test_a_file_that_means_nothing(file, text, message):
    file.write_text(text)
    _refused("", "kubeflow", {}, str(file), message)
    with pytest.raises(UserError) as caught:
        find_settings("", "kubeflow", {})
    assert "abc" not in caught.value.message


def test_a_flag_of_the_other_backend():
    _refused("", "kubeflow", {"project": "p"}, "--project is not a setting of kubeflow")
    _refused("", "vertex", {"api_transport": "http"}, "--api-transport must be one of grpc, rest")


def test_values_of_parameters_keep_their_types(file):
    file.write_text(
        '[contexts.k]\ntarget = "kubeflow"\n[contexts.k.parameters]\nrows = 3\nsteps = [5, 100]\nlimits = {p99 = 0.5}\nfast = true\n'
    )
    assert find_settings("", "kubeflow", {})[1].parameters == {"rows": 3, "steps": [5, 100], "limits": {"p99": 0.5}, "fast": True}


def test_every_setting_is_documented():
    for kind in (KubeflowSettings, VertexSettings):
        documented = re.findall(r"^ {8}(\w+): ", "".join(each.__doc__ or "" for each in kind.__mro__), re.M)
        assert set(kind.__dataclass_fields__) == set(documented)

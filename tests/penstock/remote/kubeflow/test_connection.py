"""What goes wrong on the way to Kubeflow Pipelines is said in a line that tells what to do."""

import json
from pathlib import Path

import pytest

from penstock.errors import UserError
from penstock.remote.kubeflow import KubeflowTarget
from penstock.remote.kubeflow.connection import Connection
from penstock.remote.settings import KubeflowSettings
from penstock.remote.target import NoAnswer

from .site import Page, Site, Visit

RUN = {"run_id": "r1", "display_name": "run", "state": "RUNNING"}


def json_page(code: int, body: object) -> Page:
    return Page(code, json.dumps(body), {"Content-Type": "application/json"})


def for_one_user(visit: Visit) -> Page:
    if visit.path == "/apis/v2beta1/healthz":
        return json_page(200, {"multi_user": False})
    return json_page(200, {"runs": [RUN]})


def list_runs(host: str, **settings: str) -> list[str]:
    return [run.id for run in KubeflowTarget(KubeflowSettings(host=host, **settings)).runs()]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the shell or kfp's own settings say must not count."""
    for name in ("TOKEN", "COOKIES", "PASSWORD"):
        monkeypatch.delenv(f"PENSTOCK_KUBEFLOW_{name}", raising=False)
    for name in ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT", "KF_PIPELINES_SA_TOKEN_PATH", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("page", "kind", "said"),
    [
        (
            json_page(401, {"code": 16, "message": "there is no user identity header"}),
            UserError,
            r"who asks \(401\).*PENSTOCK_KUBEFLOW_TOKEN",
        ),
        (
            json_page(403, {"code": 7, "message": "User 'ada' … Verb:list"}),
            UserError,
            r"does not allow that \(403\): User 'ada' … Verb:list",
        ),
        (Page(403, "RBAC: access denied"), UserError, "RBAC: access denied"),
        (json_page(404, {"code": 5, "message": "Run r1 not found"}), UserError, "Run r1 not found"),
        (json_page(429, {"message": "slowly"}), NoAnswer, r"cannot answer now \(429\): slowly"),
        (Page(503, "<html><style>p {}</style><p>no healthy upstream</p></html>"), NoAnswer, r"\(503\): no healthy upstream$"),
        (Page(200, "<!DOCTYPE html><html>Log in</html>"), UserError, "login page.*PENSTOCK_KUBEFLOW_COOKIES"),
        (Page(200, "hello"), UserError, "is not Kubeflow Pipelines' API: it answers 'hello'"),
    ],
    ids=lambda value: str(getattr(value, "code", "")),
)
def test_says_what_to_do(page: Page, kind: type[UserError], said: str) -> None:
    with Site(lambda visit: page) as site, pytest.raises(kind, match=said) as refusal:
        list_runs(site.url)
    assert type(refusal.value) is kind or kind is UserError
    assert "\n" not in refusal.value.message
    assert isinstance(refusal.value, NoAnswer) == (kind is NoAnswer)


def test_says_that_nobody_answers() -> None:
    with pytest.raises(NoAnswer, match=r"http://127\.0\.0\.1:9 cannot be reached: .*refused"):
        list_runs("http://127.0.0.1:9")


def test_says_that_no_tls_is_spoken() -> None:
    with Site(for_one_user) as site, pytest.raises(UserError, match="does not speak TLS"):
        list_runs(site.url.replace("http:", "https:"))


def test_says_that_the_host_is_not_known() -> None:
    with pytest.raises(UserError, match="give --host, set KF_PIPELINES_ENDPOINT"):
        list_runs("")


def test_says_nothing_of_its_own(capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    with Site(for_one_user) as site:
        assert list_runs(site.url) == ["r1"]
    assert capfd.readouterr() == ("", "")
    assert not list(recwarn)


def test_sends_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_KUBEFLOW_TOKEN", "secret\n")
    with Site(for_one_user) as site:
        list_runs(site.url)
    assert {visit.headers["authorization"] for visit in site.visits} == {"Bearer secret"}


def test_reads_a_token_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    with Site(for_one_user) as site:
        target = KubeflowTarget(KubeflowSettings(host=site.url, token_file=str(file)))
        list(target.runs())
        file.write_text("second\n")
        list(target.runs())
    assert [visit.headers["authorization"] for visit in site.visits] == ["Bearer first", "Bearer first", "Bearer second"]


def test_says_that_there_is_no_token_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no token file .*none"):
        list_runs("http://127.0.0.1:9", token_file=str(tmp_path / "none"))


def test_sends_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_KUBEFLOW_COOKIES", "authservice_session=abc")
    with Site(for_one_user) as site:
        list_runs(site.url)
    assert {visit.cookies["authservice_session"] for visit in site.visits} == {"abc"}


def test_takes_the_service_accounts_token_of_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("of the pod")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    with Site(for_one_user) as site:
        list_runs(site.url)
    assert {visit.headers["authorization"] for visit in site.visits} == {"Bearer of the pod"}


def test_needs_a_namespace_where_there_are_several_users() -> None:
    said = "has several users: say whose namespace is meant with --namespace"
    with Site(lambda visit: json_page(200, {"multi_user": True})) as site, pytest.raises(UserError, match=said):
        list_runs(site.url)


@pytest.mark.parametrize(
    ("multi_user", "ui_host", "page"),
    [
        (False, "", "{host}/pipeline/#/runs/details/r1"),
        (False, "https://kfp.example.com/", "https://kfp.example.com/#/runs/details/r1"),
        (True, "", "{host}/_/pipeline/?ns=ada#/runs/details/r1"),
        (True, "https://kubeflow.example.com/_/pipeline", "https://kubeflow.example.com/_/pipeline/?ns=ada#/runs/details/r1"),
    ],
)
def test_knows_the_pages(multi_user: bool, ui_host: str, page: str) -> None:
    with Site(lambda visit: json_page(200, {"multi_user": multi_user})) as site:
        connection = Connection(KubeflowSettings(host=f"{site.url}/pipeline", ui_host=ui_host, namespace="ada"))
        assert connection.page("runs/details/r1") == page.format(host=site.url)

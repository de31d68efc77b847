"""Failed connections to Kubeflow Pipelines are reported in a line that tells what to do."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from kfp.client import Client

from penstock.errors import UserError
from penstock.kfp_adapter.client import api_client
from penstock.remote.kubeflow import KubeflowTarget
from penstock.remote.kubeflow.connection import Connection
from penstock.remote.settings import KubeflowSettings
from penstock.remote.target import BackendUnavailable

from ....certificate import write_certificate
from .site import Page, Site, Visit

RUN = {"run_id": "r1", "display_name": "run", "state": "RUNNING"}


def json_page(code: int, body: object) -> Page:
    return Page(code, json.dumps(body), {"Content-Type": "application/json"})


def for_one_user(visit: Visit) -> Page:
    if visit.path == "/apis/v2beta1/healthz":
        return json_page(200, {"multi_user": False})
    return json_page(200, {"runs": [RUN]})


def page_after(event: threading.Event, visit: Visit) -> Page:
    event.wait(20)
    return for_one_user(visit)


def list_runs(host: str, **settings: str) -> list[str]:
    return [run.id for run in KubeflowTarget(KubeflowSettings(host=host, **settings)).runs()]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the shell or kfp's own settings say must not count."""
    for name in ("TOKEN", "COOKIES", "PASSWORD"):
        monkeypatch.delenv(f"PENSTOCK_KUBEFLOW_{name}", raising=False)
    for name in ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT", "KF_PIPELINES_SA_TOKEN_PATH", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(Client, "_LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))


@pytest.mark.parametrize(
    ("page", "kind", "message"),
    [
        (
            json_page(401, {"code": 16, "message": "there is no user identity header"}),
            UserError,
            r"authentication \(401\).*PENSTOCK_KUBEFLOW_TOKEN",
        ),
        (
            json_page(403, {"code": 7, "message": "User 'ada' … Verb:list"}),
            UserError,
            r"does not allow that \(403\): User 'ada' … Verb:list",
        ),
        (Page(403, "RBAC: access denied"), UserError, "RBAC: access denied"),
        (json_page(404, {"code": 5, "message": "Run r1 not found"}), UserError, "Run r1 not found"),
        (json_page(429, {"message": "slowly"}), BackendUnavailable, r"cannot answer now \(429\): slowly"),
        (Page(503, "<html><style>p {}</style><p>no healthy upstream</p></html>"), BackendUnavailable, r"\(503\): no healthy upstream$"),
        (Page(200, "<!DOCTYPE html><html>Log in</html>"), UserError, "login page.*PENSTOCK_KUBEFLOW_COOKIES"),
        (Page(200, "hello"), UserError, "is not Kubeflow Pipelines' API: it answers 'hello'"),
    ],
    ids=lambda value: str(getattr(value, "code", "")),
)
def test_says_what_to_do(page: Page, kind: type[UserError], message: str) -> None:
    with Site(lambda visit: page) as site, pytest.raises(kind, match=message) as refusal:
        list_runs(site.url)
    assert type(refusal.value) is kind or kind is UserError
    assert "\n" not in refusal.value.message
    assert isinstance(refusal.value, BackendUnavailable) == (kind is BackendUnavailable)


def test_says_that_the_server_does_not_answer() -> None:
    with pytest.raises(BackendUnavailable, match=r"http://127\.0\.0\.1:9 cannot be reached: .*refused"):
        list_runs("http://127.0.0.1:9")


def test_says_that_no_tls_is_spoken() -> None:
    with Site(for_one_user) as site, pytest.raises(UserError, match="does not speak TLS"):
        list_runs(site.url.replace("http:", "https:"))


def test_says_that_the_host_is_not_known() -> None:
    with pytest.raises(UserError, match="the address of Kubeflow Pipelines is unknown: give --host, set KF_PIPELINES_ENDPOINT"):
        list_runs("")


def test_says_that_a_server_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.remote.kubeflow.connection.TIMEOUT", (0.2, 0.2))
    never = threading.Event()
    with Site(lambda visit: page_after(never, visit)) as site, pytest.raises(BackendUnavailable, match=r"cannot be reached: .*timed out"):
        list_runs(site.url)
    never.set()


def test_trusts_the_authority_that_is_named(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    with Site(for_one_user, (certificate, key)) as site:
        with pytest.raises(
            UserError, match="has a certificate that is not trusted: give the certificates of its authority with ca_certificate"
        ):
            list_runs(site.url)
        assert list_runs(site.url, ca_certificate=str(certificate)) == ["r1"]


def test_says_that_there_are_no_credentials_for_a_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(UserError, match=r"no token for client_id: File .*none\.json was not found; set GOOGLE_APPLICATION_CREDENTIALS"):
        list_runs("http://127.0.0.1:9", client_id="123.apps.googleusercontent.com")


class TestKubeConfig:
    """Without a host, the kube config's user asks through Kubernetes' API server."""

    @pytest.fixture
    def config(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        # The Kubernetes client looks up where its config is when it is imported.
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
        return tmp_path / "config"

    def write(self, config: Path, server: str) -> None:
        context = {"name": "mine", "context": {"cluster": "mine", "user": "me"}}
        clusters = [{"name": "mine", "cluster": {"server": server}}]
        users = [{"name": "me", "user": {"token": "of-the-user"}}]
        config.write_text(json.dumps({"contexts": [context], "clusters": clusters, "users": users, "current-context": "mine"}))

    def test_asks_through_the_api_server(self, config: Path) -> None:
        proxy = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"

        def api_server(visit: Visit) -> Page:
            assert visit.path.startswith(proxy)
            return for_one_user(replace(visit, path=visit.path.removeprefix(proxy).replace("//", "/")))

        with Site(api_server) as site:
            self.write(config, site.url)
            assert list_runs("", kube_context="mine") == ["r1"]
        assert {visit.headers["authorization"] for visit in site.visits} == {"Bearer of-the-user"}

    def test_a_renewed_token_loses_the_path(self, config: Path) -> None:
        """When this fails, kubeflow/pipelines#8313 is fixed, and `keep_path` can go."""
        self.write(config, "http://127.0.0.1:9")
        with pytest.warns(FutureWarning):
            configuration = api_client(Client(kube_context="mine", namespace="-")).configuration
        assert configuration.host.endswith("/proxy/")
        configuration.get_api_key_with_prefix("authorization")
        assert configuration.host == "http://127.0.0.1:9"

    def test_says_that_there_is_no_such_context(self, config: Path) -> None:
        self.write(config, "http://127.0.0.1:9")
        with pytest.raises(UserError, match="the kube config has no context yours that can be used"):
            list_runs("", kube_context="yours")


def test_says_nothing_of_its_own(capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    with Site(for_one_user) as site:
        assert list_runs(site.url) == ["r1"]
    assert capfd.readouterr() == ("", "")
    # what another test has left open is reported by whichever test Python clears it up in
    assert not [one for one in recwarn if one.category is not ResourceWarning]


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
    with pytest.raises(UserError, match=r"the token file .*none does not exist"):
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
    message = "has several users: give your namespace with --namespace"
    with Site(lambda visit: json_page(200, {"multi_user": True})) as site, pytest.raises(UserError, match=message):
        list_runs(site.url)


def test_takes_what_kfp_keeps_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "context.json").write_text(json.dumps({"namespace": "ada", "client_authentication_cookie": "authservice_session=kept"}))

    def for_several_users(visit: Visit) -> Page:
        return json_page(200, {"multi_user": True}) if visit.path.endswith("healthz") else for_one_user(visit)

    with Site(for_several_users) as site:
        assert list_runs(site.url) == ["r1"]
    assert "namespace=ada" in site.visits[-1].query
    assert site.visits[-1].cookies == {"authservice_session": "kept"}


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

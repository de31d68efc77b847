"""The login goes through the pages that Kubeflow shows to a user without a session."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from penstock.errors import UserError
from penstock.remote.kubeflow.login import log_in
from penstock.remote.target import BackendUnavailable

from .site import Page, Site, Visit

USER, PASSWORD = "ada@example.com", "analytical"
SESSION = "oauth2_proxy_kubeflow"


def found(place: str, **headers: str) -> Page:
    return Page(302, headers={"Location": place, **headers})


class Kubeflow:
    """oauth2-proxy and Dex before Kubeflow, as they answer in Kubeflow's manifests.

    Args:
        asks_first: The proxy shows a page of its own first, which it answers API clients 403 with.
        approval: Dex asks whether the user wants to be known to Kubeflow.
    """

    def __init__(self, asks_first: bool = True, approval: bool = False) -> None:
        self.asks_first = asks_first
        self.approval = approval

    def __call__(self, visit: Visit) -> Page:
        if visit.cookies.get(SESSION) == "session-of-ada":
            return Page(200, "Kubeflow")
        return {
            "/oauth2/start": lambda: found("/dex/auth?client_id=kubeflow-oidc-authservice&state=xyz"),
            "/dex/auth": lambda: Page(200, '<a href="/dex/auth/local">Log in with Email</a>'),
            "/dex/auth/local": lambda: found(f"/dex/auth/local/login?back=&state={self._state(visit)}"),
            "/dex/auth/local/login": lambda: self._login(visit),
            "/dex/approval": lambda: self._approve(visit),
            "/oauth2/callback": lambda: found("/", **{"Set-Cookie": f"{SESSION}=session-of-ada; Path=/; HttpOnly"}),
        }.get(visit.path, self._stranger)()

    def _stranger(self) -> Page:
        return Page(403, "<html>Sign in with OpenID Connect</html>") if self.asks_first else found("/oauth2/start?rd=%2Fpipeline")

    def _state(self, visit: Visit) -> str:
        assert "state=xyz" in visit.query, "Dex does not know which login this is"
        return "abc"

    def _login(self, visit: Visit) -> Page:
        if visit.method == "GET":
            return Page(200, '<form method="post"><input name="login"><input name="password"></form>')
        if visit.form != {"login": USER, "password": PASSWORD} or "state=abc" not in visit.query:
            return Page(200, "<html>Invalid Email Address and password.</html>")
        return found("/dex/approval?req=r1" if self.approval else "/oauth2/callback?code=c1")

    def _approve(self, visit: Visit) -> Page:
        if visit.method == "GET":
            return Page(200, '<form method="post"><input name="approval" value="approve"></form>')
        assert (visit.form, visit.query) == ({"approval": "approve"}, "req=r1")
        return found("/oauth2/callback?code=c1")


@contextmanager
def site(answer) -> Iterator[str]:  # type: ignore[no-untyped-def]
    with Site(answer) as running:
        yield f"{running.url}/pipeline"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_KUBEFLOW_PASSWORD", PASSWORD)


@pytest.mark.parametrize("asks_first", [True, False], ids=["403", "redirect"])
@pytest.mark.parametrize("approval", [True, False], ids=["approval", "no approval"])
def test_gives_the_cookie_of_the_session(asks_first: bool, approval: bool) -> None:
    with site(Kubeflow(asks_first, approval)) as host:
        assert f"{SESSION}=session-of-ada" in log_in(host, USER)


def test_gives_none_without_a_login() -> None:
    with site(lambda visit: Page(200, "Kubeflow")) as host:
        assert log_in(host, USER) == ""


def test_says_that_the_password_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_KUBEFLOW_PASSWORD", "mechanical")
    with site(Kubeflow()) as host, pytest.raises(UserError, match=f"rejects the password of {USER}") as refusal:
        log_in(host, USER)
    assert "mechanical" not in refusal.value.message


def test_says_that_the_password_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_KUBEFLOW_PASSWORD")
    with pytest.raises(UserError, match="set PENSTOCK_KUBEFLOW_PASSWORD"):
        log_in("http://127.0.0.1:9", USER)


def test_says_that_the_pages_are_not_those_of_dex() -> None:
    def elsewhere(visit: Visit) -> Page:
        return Page(200, "SAML") if visit.path == "/saml" else found("/saml")

    with site(elsewhere) as host, pytest.raises(UserError, match="/saml does not show a login page of Dex"):
        log_in(host, USER)


def test_says_that_the_server_does_not_answer() -> None:
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        log_in("http://127.0.0.1:9", USER)

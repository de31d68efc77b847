"""Dex's login, as a browser goes through it: a redirect, a form, a code, a cookie.

Source: dexidp/dex, server/handlers.go and web/templates/password.html; arrikto/oidc-authservice for the cookie.
"""

import html
import secrets
from urllib.parse import parse_qsl, quote, urlencode

from ..kubernetes.answer import Answer, Request
from .access import SESSION, Access

_FORM = """<!DOCTYPE html>
<html>
  <head><title>dex</title></head>
  <body>
    <h2 class="theme-heading">Log in to Your Account</h2>
    <form method="post" action="{action}">
      <label for="userid">Email Address</label>
      <input tabindex="1" required id="login" name="login" placeholder="email address" type="text" autofocus />
      <label for="password">Password</label>
      <input tabindex="2" required id="password" name="password" placeholder="password" type="password" />
      {problem}
      <button tabindex="3" id="submit-login" type="submit" class="dex-btn theme-btn--primary">Login</button>
    </form>
  </body>
</html>
"""
_PROBLEM = '<div id="login-error" class="dex-error-box">Invalid Email Address and password.</div>'
_HTML = "text/html; charset=utf-8"
_FORM_PATH = "/dex/auth/local/login"


class Dex:
    """The login pages.

    Args:
        access: Who has which password, and where sessions are kept.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._waiting: dict[str, str] = {}
        self._codes: dict[str, str] = {}
        self._answers = {
            "/dex/auth": self._start,
            "/dex/auth/local": self._local,
            _FORM_PATH: self._form,
            "/login/oidc": self._finish,
        }

    def takes(self, request: Request) -> bool:
        """Tells whether a request is for the login."""
        return bool(self._access.passwords) and request.path in self._answers

    def answer(self, request: Request) -> Answer:
        """Answers a request for the login."""
        return self._answers[request.path](request)

    def ask(self, request: Request) -> Answer:
        """Sends a user without a session to the login."""
        state = secrets.token_urlsafe(12)
        self._waiting[state] = f"{request.path}?{urlencode(request.query)}" if request.query else request.path
        asked = {"client_id": "kubeflow-oidc-authservice", "redirect_uri": "/login/oidc", "response_type": "code"}
        return _redirect(f"/dex/auth?{urlencode({**asked, 'scope': 'openid profile email groups', 'state': state})}")

    def _start(self, request: Request) -> Answer:
        return _redirect(f"/dex/auth/local?{urlencode(request.query)}")

    def _local(self, request: Request) -> Answer:
        return _redirect(f"{_FORM_PATH}?back=&state={quote(request.query.get('state', ''))}")

    def _form(self, request: Request) -> Answer:
        state = request.query.get("state", "")
        if state not in self._waiting:
            return Answer(400, b"User session error.", _HTML)
        action = html.escape(f"{_FORM_PATH}?back=&state={quote(state)}")
        if request.method != "POST":
            return Answer(200, _FORM.format(action=action, problem="").encode(), _HTML)
        given = dict(parse_qsl(request.body.decode()))
        user = given.get("login", "")
        if not user or self._access.passwords.get(user) != given.get("password"):
            return Answer(401, _FORM.format(action=action, problem=_PROBLEM).encode(), _HTML)
        code = secrets.token_urlsafe(12)
        self._codes[code] = user
        return _redirect(f"/login/oidc?{urlencode({'code': code, 'state': state})}", 303)

    def _finish(self, request: Request) -> Answer:
        user = self._codes.pop(request.query.get("code", ""), "")
        place = self._waiting.pop(request.query.get("state", ""), "/")
        if not user:
            return Answer(400, b"Bad code", _HTML)
        answer = _redirect(place)
        answer.headers["Set-Cookie"] = f"{SESSION}={self._access.log_in(user)}; Path=/; HttpOnly; SameSite=Lax"
        return answer


def _redirect(place: str, code: int = 302) -> Answer:
    return Answer(code, b"", _HTML, {"Location": place})

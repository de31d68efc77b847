"""Logs in to a Kubeflow with Dex, in the same way as a browser.

The way is the one of Kubeflow's documentation ("Connect to Kubeflow Pipelines: from outside the cluster"): the proxy before
Kubeflow (oauth2-proxy, or AuthService in older ones) sends a user without a session to Dex; Dex shows a form, takes it, may ask
for an approval, and sends the user back with a cookie.
"""

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from ...errors import UserError
from ..target import BackendUnavailable

if TYPE_CHECKING:
    import requests

_TIMEOUT = (10, 30)
_PROXY_START = "/oauth2/start"
_STATIC_USERS = "local"


def log_in(host: str, username: str, ca_certificate: str = "") -> str:
    """Returns the cookies for authentication, or none if the installation needs none.

    Args:
        host: The API's URL.
        username: The user, as Dex knows it; the password is in PENSTOCK_KUBEFLOW_PASSWORD.
        ca_certificate: A file with the certificates of the server's authority.

    Raises:
        BackendUnavailable: A page cannot be reached.
        UserError: There is no password, it is wrong, or the pages are others.
    """
    import requests

    password = os.environ.get("PENSTOCK_KUBEFLOW_PASSWORD")
    if not password:
        raise UserError(f"the password of {username} is missing: set PENSTOCK_KUBEFLOW_PASSWORD")
    try:
        with requests.Session() as session:
            session.verify = ca_certificate or True
            return _go_through(session, host, username, password)
    except requests.exceptions.SSLError as error:
        raise UserError(f"the certificate of {host} is not trusted: give the certificates of its authority with ca_certificate") from error
    except requests.exceptions.RequestException as error:
        raise BackendUnavailable(f"the login of {host} cannot be reached: {type(error).__name__}") from error


def _go_through(session: "requests.Session", host: str, username: str, password: str) -> str:
    page = session.get(f"{host}/", timeout=_TIMEOUT)
    if page.status_code in (401, 403):
        page = session.get(_elsewhere(page.url, _PROXY_START, {"rd": urlsplit(host).path or "/"}), timeout=_TIMEOUT)
    if not page.history:
        return ""
    form = _form(session, page)
    answer = session.post(form, data={"login": username, "password": password}, timeout=_TIMEOUT)
    if answer.status_code == 401 or not answer.history:
        raise UserError(f"Dex at {_site(form)} rejects the password of {username}: check username and PENSTOCK_KUBEFLOW_PASSWORD")
    if urlsplit(answer.url).path.endswith("/approval"):
        session.post(answer.url, data={"approval": "approve"}, timeout=_TIMEOUT)
    if not session.cookies:
        raise UserError(f"{host} returned no cookie after the login of {username}: log in with a browser, and give its cookies")
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.cookies)


def _form(session: "requests.Session", page: "requests.Response") -> str:
    """Returns the address of Dex's form for a name and a password."""
    address = page.url
    if urlsplit(address).path.endswith("/auth"):
        address = _elsewhere(address, f"{urlsplit(address).path}/{_STATIC_USERS}")
        address = session.get(address, timeout=_TIMEOUT).url
    if not re.search(r"/auth/[^/]+/login$", urlsplit(address).path):
        raise UserError(f"{_site(address)} does not show a login page of Dex: give a token or cookies (see PENSTOCK_KUBEFLOW_COOKIES)")
    return address


def _elsewhere(address: str, path: str, query: dict[str, str] | None = None) -> str:
    """Returns another page of the same site, by default with the same query."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(path=path, query=urlencode(query) if query else parts.query))


def _site(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"

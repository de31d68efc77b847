"""HTTP clients of model servers."""

import ssl
from typing import Any

import httpx


def make_client(url: str, **options: Any) -> httpx.Client:
    """Makes a client; reading the certificates takes longer than most calls do, and a server of plain HTTP needs none.

    Args:
        url: A server's URL, or its start: whether it begins with `https:` counts.
        options: What `httpx.Client` takes as well.
    """
    return httpx.Client(verify=True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), **options)

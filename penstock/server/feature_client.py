"""Asks a Feast feature server for features, within a time.

Protocol: `POST /get-online-features` of `feast/feature_server.py`; the answer is that of `convert_response_to_dict` in
`feast/feature_server_utils.py`.
"""

import asyncio
import logging
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from kserve.errors import ServerNotReady
from prometheus_client import Counter, Histogram

from penstock.components.release.feature_service import FeatureService

from .timeouts import timeout

logger = logging.getLogger(__name__)
_SECONDS = Histogram(
    "penstock_feature_fetch_seconds",
    "From the request to the feature server to its answer, or to the end of the time for it",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
_FAILURES = Counter("penstock_feature_fetch_failures", "Requests that got no features from the feature server", ["reason"])
TIMEOUT, UNREACHABLE, SERVER_ERROR, NO_TOKEN, REFUSED, MALFORMED, MISFIT, NO_DEFAULT = REASONS = (
    "timeout", "unreachable", "server_error", "no_token", "refused", "malformed", "misfit", "no_default",
)  # fmt: skip
for _reason in REASONS:  # Prometheus sees no increase of a series that begins with 1
    _FAILURES.labels(_reason)
# How often the log has a line for the same reason.
_LOG_SECONDS = 60.0
_log_again_at: dict[str, float] = {}
# Further requests wait for one of these connections.
_CONNECTIONS = 32
_SHOWN = 200
# Of an answer, unpacked. What is larger must not take the server's memory.
_LARGEST_MIB = 64
# The status of a value that counts. What is null, not found, or older than the TTL is missing, as it was in the training data.
_PRESENT = "PRESENT"

Values = dict[str, list[Any]]


class FeaturesUnavailable(ServerNotReady):
    """A request gets no features: 503 over REST, UNAVAILABLE over gRPC. It is counted, and logged now and then.

    Args:
        kind: One of `REASONS`.
        reason: What the client reads.
        detail: What the log has beside it, and clients need not know.
    """

    def __init__(self, kind: str, reason: str, detail: str = "") -> None:
        super().__init__()
        self.reason = self.error_msg = reason  # KServe's gRPC reads the one, its REST the other
        _FAILURES.labels(kind).inc()
        now = time.monotonic()
        if now >= _log_again_at.get(kind, 0.0):
            _log_again_at[kind] = now + _LOG_SECONDS
            logger.warning("%s%s", reason, detail and f" ({detail})")


class StoreAway(FeaturesUnavailable):
    """There is no answer now, and there may be one later without anything being corrected."""


class FeatureClient:
    """A pool of connections to a feature server. Use it as an asynchronous context manager.

    Args:
        service: The feature service.
    """

    def __init__(self, service: FeatureService) -> None:
        self._service = service
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> "FeatureClient":
        """Opens the pool, which has no connections yet."""
        connector, no_other = aiohttp.TCPConnector(limit=_CONNECTIONS), aiohttp.ClientTimeout(total=None)
        self._session = aiohttp.ClientSession(connector=connector, timeout=no_other)
        return self

    async def __aexit__(self, *_: Any) -> None:
        """Closes the connections."""
        await self._session.close()

    async def fetch(self, keys: Values, rows: int) -> Values:
        """Returns the values of the service's features by name, one for each row; None where a value is missing.

        Args:
            keys: The values of the join keys by name, one for each row.
            rows: The number of rows.

        Raises:
            StoreAway: The feature server cannot be reached, does not answer in time, or has an error.
            FeaturesUnavailable: It refuses the request, or answers something else.
        """
        service = self._service
        question = {"feature_service": service.name, "entities": keys, "full_feature_names": service.full_feature_names}
        with _SECONDS.time():
            status, content = await self._ask(orjson.dumps(question))
        if status != HTTPStatus.OK:
            is_away = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
            problem, kind = (StoreAway, SERVER_ERROR) if is_away else (FeaturesUnavailable, REFUSED)
            raise problem(kind, f"the feature server answered {status}", f"{service.server}: {content.decode(errors='replace')}")
        try:
            return {name: values for name, values in _values(content, rows).items() if name not in keys}
        except (ValueError, TypeError, LookupError) as error:
            raise FeaturesUnavailable(
                MALFORMED, "the feature server sent what is not an answer of Feast's", f"{service.server}: {error!r:.200}"
            ) from error

    async def _ask(self, question: bytes) -> tuple[int, bytes]:
        """Returns the status and the body of the answer; of an error the beginning, without the token."""
        service, token = self._service, self._token()
        try:
            async with timeout(service.timeout):
                try:
                    return await self._post(question, token)
                except aiohttp.ClientConnectorError:
                    raise
                except aiohttp.ClientConnectionError:  # a connection that was kept, and that the server has closed meanwhile
                    return await self._post(question, token)
        except asyncio.TimeoutError as error:  # another than `TimeoutError` in Python 3.10
            raise StoreAway(TIMEOUT, f"the feature server did not answer within {service.timeout * 1000:g} ms", service.server) from error
        except (aiohttp.ClientError, OSError) as error:
            raise StoreAway(UNREACHABLE, "the feature server cannot be reached", f"{service.server}: {error}") from error

    async def _post(self, question: bytes, token: str) -> tuple[int, bytes]:
        headers = {"content-type": "application/json"}  # Feast reads no other
        if token:
            headers["authorization"] = f"Bearer {token}"
        url = f"{self._service.server}/get-online-features"
        async with self._session.post(url, data=question, headers=headers, allow_redirects=False) as answer:
            if answer.status == HTTPStatus.OK:
                return answer.status, await self._whole(answer.content)
            content = await _beginning(answer.content, _SHOWN + len(token))
            return answer.status, (content.replace(token.encode(), b"***") if token else content)[:_SHOWN]

    async def _whole(self, stream: aiohttp.StreamReader) -> bytes:
        content = bytearray()
        async for piece in stream.iter_any():
            content += piece
            if len(content) > _LARGEST_MIB << 20:
                raise FeaturesUnavailable(MALFORMED, f"the feature server's answer is larger than {_LARGEST_MIB} MiB", self._service.server)
        return bytes(content)

    def _token(self) -> str:
        """Reads the token; empty if there is none to send."""
        path = self._service.token_file
        if not path:
            return ""
        try:
            token = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise FeaturesUnavailable(NO_TOKEN, "the token for the feature server cannot be read", str(error)) from error
        if not token or not token.isascii() or not token.isprintable():
            raise FeaturesUnavailable(NO_TOKEN, "the token for the feature server is not one line of text", path)
        return token


async def _beginning(stream: aiohttp.StreamReader, size: int) -> bytes:
    try:
        return await stream.readexactly(size)
    except asyncio.IncompleteReadError as end:
        return end.partial


def _values(content: bytes, rows: int) -> Values:
    """Reads an answer.

    Raises:
        ValueError: It is not an answer of Feast's, or is not about so many rows.
        TypeError: It is not an answer of Feast's.
        LookupError: It is not an answer of Feast's.
    """
    answer = orjson.loads(content)
    found = {}
    for name, result in zip(answer["metadata"]["feature_names"], answer["results"], strict=True):
        if not (isinstance(name, str) and isinstance(result["values"], list) and isinstance(result["statuses"], list)):
            raise TypeError(f"the feature {name!r:.60} has no name, values and statuses")
        values = zip(result["values"], result["statuses"], strict=True)
        found[name] = [value if status == _PRESENT else None for value, status in values]
        if len(found[name]) != rows:
            raise ValueError(f"{len(found[name])} values of {name!r} for {rows} rows")
    return found

"""The feature service that the model server asks: its option `--feature_service`, which is the serving option of a push as well."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from penstock.components.protocol.errors import TaskError
from penstock.components.protocol.redacting import redact

from .destinations.uri import check_options

FORM = "http://HOST:6566/SERVICE?keys=KEY,KEY&timeout_ms=50&when_away=fail"
# What is answered when the store is away: 503, or the model's answer to the defaults that its Schema names.
FAIL, DEFAULTS = "fail", "defaults"
_OPTIONS = {"keys", "timeout_ms", "when_away", "full_feature_names", "token_file"}
_BOOLEANS = {"true": True, "false": False}
_LONGEST_MS = 60_000.0


@dataclass(frozen=True)
class FeatureService:
    """A feature service of Feast, and how to ask for it.

    Attributes:
        uri: What it was read from.
        server: The feature server's URL, without a slash at its end.
        name: The feature service.
        keys: The fields of a request that are the join keys of its entities.
        timeout: The seconds that a request may wait for its features, connecting included.
        when_away: What is answered when the store is away: `fail` or `defaults`.
        full_feature_names: Whether features are called `<feature view>__<feature>`.
        token_file: The file with the token for the feature server, which is read for every request: it may be renewed. Empty: none.
    """

    uri: str
    server: str
    name: str
    keys: tuple[str, ...]
    timeout: float = 0.05
    when_away: str = FAIL
    full_feature_names: bool = False
    token_file: str = ""

    @classmethod
    def from_uri(cls, uri: str) -> "FeatureService":
        """Reads `http://HOST:PORT/SERVICE?keys=...`; what the path has before SERVICE is that of the feature server.

        Raises:
            TaskError: It is not such a URI, or an option is unknown, missing or invalid.
        """
        shown = redact(uri)
        try:
            parts = urlsplit(uri)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https") or parts.username is not None or parts.fragment:
            raise TaskError(f"feature_service {shown!r} is not the URI of a feature service; give {FORM}")
        before, _, name = parts.path.rpartition("/")
        if not name:
            raise TaskError(f"feature_service {shown!r} names no feature service; give {FORM}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        check_options(options, _OPTIONS, parts.scheme, "feature_service option")
        keys = tuple(options.get("keys", "").split(","))
        if not all(keys) or len(set(keys)) < len(keys):
            raise TaskError(
                f"feature_service option keys={options.get('keys', '')} names no fields; give the join keys of the entities: keys=KEY,KEY"
            )
        return cls(
            uri=uri,
            server=f"{parts.scheme}://{parts.netloc}{before}",
            name=unquote(name),
            keys=keys,
            timeout=_seconds(options.get("timeout_ms", "50")),
            when_away=_one_of("when_away", options.get("when_away", FAIL), (FAIL, DEFAULTS)),
            full_feature_names=_BOOLEANS[_one_of("full_feature_names", options.get("full_feature_names", "false"), tuple(_BOOLEANS))],
            token_file=options.get("token_file", ""),
        )


def _seconds(text: str) -> float:
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = 0.0
    if not 0 < milliseconds <= _LONGEST_MS:
        raise TaskError(f"feature_service option timeout_ms={text} is invalid; give milliseconds above 0, up to {_LONGEST_MS:.0f}")
    return milliseconds / 1000


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise TaskError(f"feature_service option {option}={value} is invalid; give {' or '.join(allowed)}")
    return value

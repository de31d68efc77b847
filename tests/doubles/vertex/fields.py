"""Rules for single fields, as the API reference states them."""

import re
from collections.abc import Collection, Iterable, Mapping

from .errors import invalid, precondition

_LABEL = re.compile(r"[\w-]{0,63}")
_LABEL_KEY = re.compile(r"[^\W_][\w-]{0,62}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9-]")
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ENDPOINT_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?|[1-9][0-9]{0,8}")
_LABEL_TEXT = (
    "There can be no more than 64 labels attached to a single resource. Label keys and values can only contain lowercase letters, numbers, "
    "dashes and underscores. Label keys must start with a letter or number, must be less than 64 characters in length, and must be less "
    "that 128 bytes in length when encoded in UTF-8. Label values must be less than 64 characters in length, and must be less that 128 "
    "bytes in length when encoded in UTF-8."
)
DEFAULT_ALIAS = "default"


def check_display_name(text: str, field: str, *, required: bool = True) -> None:
    """Refuses a display name that is missing or longer than 128 characters."""
    if required and not text:
        raise invalid(field, "Required field is not set.")
    if len(text) > 128:
        raise invalid(field, "The display name can be up to 128 characters long.")


def check_labels(labels: Mapping[str, str], field: str) -> None:
    """Refuses labels that are too many, too long or of other characters."""
    texts = [*labels, *labels.values()]
    are_lower = all(text == text.lower() and len(text.encode()) <= 128 for text in texts)
    if len(labels) > 64 or not are_lower or not all(map(_LABEL_KEY.fullmatch, labels)) or not all(map(_LABEL.fullmatch, labels.values())):
        raise invalid(field, _LABEL_TEXT)


def check_alias(alias: str, field: str) -> None:
    """Refuses what cannot be an alias of a version."""
    if not _ALIAS.fullmatch(alias):
        raise invalid(field, f"Version alias '{alias}' should be at most 128 characters, and match [a-z][a-zA-Z0-9-]{{0,126}}[a-z-0-9].")


def check_model_id(key: str) -> None:
    """Refuses what cannot be the last segment of a model's name."""
    if not _MODEL_ID.fullmatch(key):
        text = "may be up to 63 characters, and valid characters are [a-z0-9_-]. The first character cannot be a number or hyphen."
        raise invalid("model_id", f"Model ID '{key}' {text}")


def check_endpoint_id(key: str) -> None:
    """Refuses what cannot be the last segment of an endpoint's name."""
    if not _ENDPOINT_ID.fullmatch(key):
        text = "must be up to 63 characters of [a-z0-9-] that start with a letter and end with a letter or number, or up to 9 digits."
        raise invalid("endpoint_id", f"Endpoint ID '{key}' {text}")


def check_traffic_split(split: Mapping[str, int], deployed: Collection[str], field: str = "traffic_split") -> None:
    """Refuses a split that does not add up to 100, or names what is not deployed; an empty one is no traffic."""
    if unknown := sorted(set(split) - set(deployed)):
        raise invalid(field, f"DeployedModel IDs {unknown} in the traffic split are not deployed in the Endpoint.")
    if split and (min(split.values()) < 0 or sum(split.values()) != 100):
        raise invalid(field, f"The traffic split percentages must be non-negative and add up to 100, got {sum(split.values())}.")


def check_mask(paths: Iterable[str], known: Collection[str]) -> list[str]:
    """Refuses an update mask that is empty or has fields that cannot be updated; gives its paths."""
    given = list(paths)
    if not given:
        raise invalid("update_mask", "Required field is not set.")
    if unknown := [path for path in given if path not in known]:
        raise invalid("update_mask", f"Update of the following fields is not supported: {', '.join(unknown)}.")
    return given


def check_default_stays(aliases: Iterable[str]) -> None:
    """Refuses to take the default alias from a model."""
    if f"-{DEFAULT_ALIAS}" in aliases:
        raise precondition(f"The version alias '{DEFAULT_ALIAS}' cannot be removed; assign it to another version instead.")


def required(value: object, field: str) -> None:
    """Refuses a required field that is empty."""
    if not value:
        raise invalid(field, "Required field is not set.")

"""Which images compiled YAML names: the released ones, unless a registry, a tag or digests are given."""

import json
import re
from pathlib import Path

from penstock.components.images import FAMILIES

from ..errors import UserError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def pinned(text: str, pins: dict[str, str]) -> str:
    """Returns compiled YAML with the images of the families replaced.

    Args:
        text: What `penstock compile` writes.
        pins: Each family's image.
    """
    from penstock.components.images import image

    for family, name in pins.items():
        text = text.replace(f"image: {image(family)}\n", f"image: {name}\n")
    return text


def pins(registry: str, tag: str, digests: Path | None) -> dict[str, str]:
    """Returns the image of each family.

    Args:
        registry: The registry, with the path below it; empty for the released one.
        tag: The tag; empty for this package's version.
        digests: What `penstock images build --push --digests` wrote, instead of a tag.

    Raises:
        UserError: The digests cannot be read, or a family's is missing or none.
    """
    from penstock import __version__
    from penstock.components.images import REGISTRY

    base = f"{registry or REGISTRY}/penstock-"
    if digests is None:
        return {family: f"{base}{family}:{tag or __version__}" for family in FAMILIES}
    return {family: f"{base}{family}@{digest}" for family, digest in _read(digests).items()}


def _read(path: Path) -> dict[str, str]:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read the digests in {path}: {error}") from error
    for family in FAMILIES:
        if not isinstance(given, dict) or not _DIGEST.fullmatch(str(given.get(family))):
            raise UserError(f'{path} must contain a digest for each family, such as {{"{family}": "sha256:…"}}')
    return {family: given[family] for family in FAMILIES}

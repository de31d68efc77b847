"""The container images of the dependency families."""

import penstock

REGISTRY = "ghcr.io/penstock"


def image(family: str) -> str:
    """Returns the image of a dependency family (`tfdv`, `tf`, `tf-gpu`, `deploy`, `serve`) at this package's version."""
    return f"{REGISTRY}/penstock-{family}:{penstock.__version__}"

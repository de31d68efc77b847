"""The container images of the dependency families."""

import os

import penstock

FAMILIES = ("tfdv", "tf", "tf-gpu", "feast", "deploy", "serve")
REGISTRY = "ghcr.io/penstock"
_NODES_OWN = ("localhost", "127.0.0.1")


def image(family: str) -> str:
    """Returns the image of a dependency family (`tfdv`, `tf`, `tf-gpu`, `feast`, `deploy`, `serve`) at this package's version."""
    return f"{REGISTRY}/penstock-{family}:{penstock.__version__}"


def own_image(family: str) -> str:
    """Returns the image that a task of a family runs in, by the name under which it was built; outside of an image the released one."""
    return os.environ.get("PENSTOCK_IMAGE") or image(family)


def lacks_digest(image: str) -> bool:
    """Returns whether an image has a tag and its registry is on the node itself, where other machines cannot resolve the tag."""
    return image.partition("/")[0].partition(":")[0] in _NODES_OWN and "@" not in image

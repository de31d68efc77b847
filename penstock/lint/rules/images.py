"""Images and what is put into them."""

import re
from collections.abc import Iterator

from penstock.components.images import lacks_digest

from ...spec.document import Document
from ..registry import error, warning
from .links import ISSUE, LOCAL_GUIDE, SOURCE

_KUBERNETES_IMAGES = "https://kubernetes.io/docs/concepts/containers/images/"
_REQUIREMENT = re.compile(r"'([^']+)'")
_NEEDED_BY_KFP = re.compile(r"--|typing-extensions\b")
# Stands for a task of kfp-kubernetes, which the driver does itself.
_STUB = "argostub/"


@warning("floating-image", link=_KUBERNETES_IMAGES)
def floating(document: Document) -> Iterator[tuple[str, str]]:
    """An image without a tag, or of `latest`, is another one tomorrow.

    Two runs of the same file then run different code, while the caches of all backends, which know the image by its name, take the old results for
    the new. Name a version and its digest.
    """
    for place, image in _images(document):
        if "@" not in image and _tag(image) in ("", "latest"):
            yield place, f"{image} is whatever was pushed last; name a version and its digest (name:version@sha256:...)"


@warning("image-without-digest", link=_KUBERNETES_IMAGES)
def without_digest(document: Document) -> Iterator[tuple[str, str]]:
    """A tag can be moved.

    Only a digest (`name@sha256:...`) says which bytes run. `penstock compile --digests` writes them for Penstock's images.
    """
    for place, image in _images(document):
        if "@" not in image and _tag(image) not in ("", "latest"):
            yield place, f"{image} can be moved; name its digest (@sha256:...)"


@warning("image-without-registry", link=_KUBERNETES_IMAGES)
def without_registry(document: Document) -> Iterator[tuple[str, str]]:
    """An image without a registry comes from where the machine thinks.

    Kubernetes and Docker take Docker Hub, with its rate limits; Podman and CRI-O ask their settings, and may refuse; a private cluster reaches none.
    Name the registry, `docker.io` too.
    """
    for place, image in _images(document):
        first, slash, _ = image.partition("/")
        if not slash or not ("." in first or ":" in first or first == "localhost"):
            yield (
                place,
                f"{image} names no registry; name it (docker.io/library/{image})" if not slash else f"{image} names no registry; name it",
            )


@warning("image-parameter", "vertex", "local", link=f"{ISSUE}11391")
def parameter(document: Document) -> Iterator[tuple[str, str]]:
    """An image given by a parameter is Kubeflow's.

    `set_container_image(parameter)` leaves a placeholder in the image's place, which KFP's driver resolves. Vertex AI documents static images only, and
    a laptop looks for an image of the placeholder's name.
    """
    for place, _, container in document.executors("container"):
        if "{{$" in container.get("image", ""):
            yield f"{place}.image", "the image is a parameter, which Kubeflow alone resolves; name it in the file"


@error("knative-tag", link="https://knative.dev/docs/serving/tag-resolution/")
def knative_tag(document: Document) -> Iterator[tuple[str, str]]:
    """Knative resolves tags, and does not reach a registry on the node.

    In `mode=knative` Knative's controller asks the registry for the digest of every tag, and a revision whose image it cannot find out about never starts. So
    a serve image of `localhost` needs its digest; so does one of any registry that is not reached from `knative-serving`, which this file does not tell.
    """
    values = [*document.constants(), *document.defaults()]
    if any(isinstance(value, str) and value.startswith("kserve://") and "mode=knative" in value for _, value in values):
        for place, value in values:
            if isinstance(value, dict) and isinstance(image := value.get("image"), str) and lacks_digest(image):
                yield place, f"{image} has no digest; name it (@sha256:...)"


@warning("install-at-run-time", link=f"{SOURCE}sdk/python/kfp/dsl/component_decorator.py")
def install(document: Document) -> Iterator[tuple[str, str]]:
    """The container installs Python packages each time it starts.

    A lightweight component of kfp installs kfp itself and its `packages_to_install` at run time. That needs a network, a package index and pip, takes
    its time in every task, and gets other versions another day. Put the packages into the image, and say `install_kfp_package=False`.
    """
    for place, _, container in document.executors("container"):
        script = next((text for text in container.get("command", []) if "pip install" in text), "")
        if script:
            wanted = [name for name in _REQUIREMENT.findall(script) if not _NEEDED_BY_KFP.match(name)]
            yield f"{place}.command", f"it installs {', '.join(wanted) or 'packages'} at run time; put them into the image"


@warning("needs-docker", "local", link=LOCAL_GUIDE)
def needs_docker(document: Document) -> Iterator[tuple[str, str]]:
    """A container component needs a container engine on a laptop.

    kfp's SubprocessRunner refuses container components. `penstock run` runs Penstock's components and lightweight Python components without an
    engine; any other image needs `penstock run --runner docker`, or kfp's DockerRunner, which takes a container that failed for one that
    succeeded (kubeflow/pipelines#13332), and puts the image's ENTRYPOINT before the command.
    """
    from ...spec.containers import component_of, family_of, is_lightweight

    for place, _, container in document.executors("container"):
        image, command = container.get("image", ""), container.get("command", [])
        ours = family_of(image) and component_of(command)
        if not ours and not is_lightweight(command) and not image.startswith(_STUB):
            yield place, f"{image} needs a container engine: `penstock run --runner docker`"


@error("kubernetes-task", "vertex", "local", link=f"{SOURCE}backend/src/v2/driver/k8s.go")
def kubernetes_task(document: Document) -> Iterator[tuple[str, str]]:
    """Some tasks are work for Kubernetes, not containers.

    `kubernetes.CreatePVC` and `DeletePVC` compile to images that do not exist (`argostub/createpvc`), which KFP's driver knows. Vertex AI tries to pull them,
    and so does a laptop. Make volumes outside of the pipeline and mount them by platform settings, or pass data as artifacts.
    """
    for place, _, container in document.executors("container"):
        if (image := container.get("image", "")).startswith(_STUB):
            yield f"{place}.image", f"{image} is no image but a task of Kubeflow's driver; make the volume outside of the pipeline"


def _images(document: Document) -> Iterator[tuple[str, str]]:
    """Yields every image once, at its first place; not those that are missing, parameters or stubs."""
    seen = {""}
    for place, _, container in document.executors("container"):
        image = container.get("image", "")
        if image not in seen and "{{$" not in image and not image.startswith(_STUB):
            seen.add(image)
            yield f"{place}.image", image


def _tag(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[2]

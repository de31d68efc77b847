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
    """An image without a tag, or with the tag `latest`, changes over time.

    Two runs of the same file can run different code. The caches of all backends identify the image by its name and treat old results as
    current. Use a version and its digest.
    """
    for place, image in _images(document):
        if "@" not in image and _tag(image) in ("", "latest"):
            yield place, f"{image} is the image that was pushed last; use a version and its digest (name:version@sha256:...)"


@warning("image-without-digest", link=_KUBERNETES_IMAGES)
def without_digest(document: Document) -> Iterator[tuple[str, str]]:
    """A tag can be moved to another image.

    Only a digest (`name@sha256:...`) identifies the bytes that run. `penstock compile --digests` writes digests for Penstock's images.
    """
    for place, image in _images(document):
        if "@" not in image and _tag(image) not in ("", "latest"):
            yield place, f"{image} is a tag that can be moved; use its digest (@sha256:...)"


@warning("image-without-registry", link=_KUBERNETES_IMAGES)
def without_registry(document: Document) -> Iterator[tuple[str, str]]:
    """The registry of an image without a registry depends on the machine.

    Kubernetes and Docker use Docker Hub, with its rate limits. Podman and CRI-O use their settings and may reject the image. A private
    cluster reaches none of them. Write the registry explicitly, even `docker.io`.
    """
    for place, image in _images(document):
        first, slash, _ = image.partition("/")
        if not slash or not ("." in first or ":" in first or first == "localhost"):
            yield (
                place,
                f"{image} has no registry; add it (docker.io/library/{image})" if not slash else f"{image} has no registry; add it",
            )


@warning("image-parameter", "vertex", "local", link=f"{ISSUE}11391")
def parameter(document: Document) -> Iterator[tuple[str, str]]:
    """Only Kubeflow supports a parameter as the image.

    `set_container_image(parameter)` writes a placeholder instead of the image, which KFP's driver resolves. Vertex AI documents only static
    images, and a laptop looks for an image with the placeholder's name.
    """
    for place, _, container in document.executors("container"):
        if "{{$" in container.get("image", ""):
            yield f"{place}.image", "the image is a parameter, which only Kubeflow resolves; write the image into the file"


@error("knative-tag", link="https://knative.dev/docs/serving/tag-resolution/")
def knative_tag(document: Document) -> Iterator[tuple[str, str]]:
    """Knative resolves tags, and cannot reach a registry on the node.

    With `mode=knative`, Knative's controller asks the registry for the digest of every tag. A revision whose tag cannot be resolved never
    starts. A serve image on `localhost` therefore needs its digest. So does an image of any registry that `knative-serving` cannot reach,
    which this rule cannot detect.
    """
    values = [*document.constants(), *document.defaults()]
    if any(isinstance(value, str) and value.startswith("kserve://") and "mode=knative" in value for _, value in values):
        for place, value in values:
            if isinstance(value, dict) and isinstance(image := value.get("image"), str) and lacks_digest(image):
                yield place, f"{image} has no digest; add it (@sha256:...)"


@warning("install-at-run-time", link=f"{SOURCE}sdk/python/kfp/dsl/component_decorator.py")
def install(document: Document) -> Iterator[tuple[str, str]]:
    """The container installs Python packages each time it starts.

    A lightweight component of kfp installs kfp itself and its `packages_to_install` at run time. This needs a network, a package index and
    pip, takes time in every task, and may install other versions later. Put the packages into the image, and set
    `install_kfp_package=False`.
    """
    for place, _, container in document.executors("container"):
        script = next((text for text in container.get("command", []) if "pip install" in text), "")
        if script:
            wanted = [name for name in _REQUIREMENT.findall(script) if not _NEEDED_BY_KFP.match(name)]
            yield f"{place}.command", f"it installs {', '.join(wanted) or 'packages'} at run time; put them into the image"


@warning("needs-docker", "local", link=LOCAL_GUIDE)
def needs_docker(document: Document) -> Iterator[tuple[str, str]]:
    """A container component needs a container engine on a laptop.

    kfp's SubprocessRunner rejects container components. `penstock run` runs Penstock's components and lightweight Python components without
    an engine. For any other image, use `penstock run --runner docker`, or kfp's DockerRunner, which reports failed containers as successful
    (kubeflow/pipelines#13332) and puts the image's ENTRYPOINT before the command.
    """
    from ...spec.containers import component_of, family_of, is_lightweight

    for place, _, container in document.executors("container"):
        image, command = container.get("image", ""), container.get("command", [])
        ours = family_of(image) and component_of(command)
        if not ours and not is_lightweight(command) and not image.startswith(_STUB):
            yield place, f"{image} needs a container engine: `penstock run --runner docker`"


@error("kubernetes-task", "vertex", "local", link=f"{SOURCE}backend/src/v2/driver/k8s.go")
def kubernetes_task(document: Document) -> Iterator[tuple[str, str]]:
    """Some tasks are not containers but work for Kubernetes.

    `kubernetes.CreatePVC` and `DeletePVC` compile to images that do not exist (`argostub/createpvc`) and that KFP's driver recognizes.
    Vertex AI and a laptop try to pull them. Create volumes outside the pipeline and mount them with platform settings, or pass data as
    artifacts.
    """
    for place, _, container in document.executors("container"):
        if (image := container.get("image", "")).startswith(_STUB):
            yield f"{place}.image", f"{image} is not an image, but a task of Kubeflow's driver; create the volume outside the pipeline"


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

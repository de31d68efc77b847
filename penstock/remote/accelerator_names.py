"""The names of accelerators on each backend."""

import re

from ..errors import UserError
from ..spec.pipeline_file import did_you_mean

# `gpu` is any: on Kubernetes the node decides; on Vertex AI it is the one that most regions have.
ACCELERATORS: dict[str, dict[str, str]] = {
    "gpu": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_TESLA_T4"},
    "t4": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_TESLA_T4"},
    "p4": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_TESLA_P4"},
    "p100": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_TESLA_P100"},
    "v100": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_TESLA_V100"},
    "l4": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_L4"},
    "a100": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_TESLA_A100"},
    "a100-80gb": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_A100_80GB"},
    "h100": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_H100_80GB"},
    "h100-mega": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_H100_MEGA_80GB"},
    "h200": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_H200_141GB"},
    "b200": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_B200"},
    "gb200": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_GB200"},
    "rtx-pro-6000": {"kubeflow": "nvidia.com/gpu", "vertex": "NVIDIA_RTX_PRO_6000"},
    "a10": {"kubeflow": "nvidia.com/gpu"},
    "l40s": {"kubeflow": "nvidia.com/gpu"},
    "mi300x": {"kubeflow": "amd.com/gpu"},
}

_WITH_COUNT = re.compile(r"(.+?)x([1-9]\d*)")
# An extended resource has a domain before its name:
# https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#extended-resources
_KUBERNETES_RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


class AcceleratorNames:
    """What a backend calls accelerators.

    Args:
        backend: `kubeflow` or `vertex`.
        resources: The pod's resource for each accelerator, where platform settings say which there are; they replace the table's.
    """

    def __init__(self, backend: str, resources: dict[str, str]) -> None:
        self.backend = backend
        self._where = "the cluster of the platform settings" if resources else backend
        self._own = {name: row[backend] for name, row in ACCELERATORS.items() if backend in row}
        if resources:
            self._own = {"gpu": self._own["gpu"]} | resources

    def read(self, text: str) -> tuple[str, int | None]:
        """Returns the accelerator's name, and the count that `xN` says.

        Raises:
            ValueError: The backend has none of that name.
        """
        if name := self._name(text):
            return name, None
        split = _WITH_COUNT.fullmatch(text)
        word = split[1] if split else text
        if split and (name := self._name(word)) in self._own:
            return name, int(split[2])
        for name, row in ACCELERATORS.items():
            if word in row.values():
                raise ValueError(f"{word} is a name of another backend: on {self.backend} use {name}")
        raise ValueError(f"{self._where} has no accelerator {word}{did_you_mean(word.lower(), list(self._own))}")

    def word(self, name: str) -> str:
        """Returns the backend's word for an accelerator."""
        return self._own.get(name, name)

    def is_word(self, text: str) -> bool:
        """Returns whether it is a word of the backend itself."""
        if self.backend == "kubeflow":
            return bool(_KUBERNETES_RESOURCE.fullmatch(text))
        return text in self._own.values() or text in _vertex_words()

    def _name(self, text: str) -> str:
        """Returns the accelerator with that name or that name of the backend, or an empty text."""
        if known := next((name for name in (text, text.lower()) if name in self._own), ""):
            return known
        return text if self.is_word(text) else ""


def _vertex_words() -> set[str]:
    try:
        from google.cloud.aiplatform_v1.types import AcceleratorType
    except ImportError as error:
        raise UserError("Vertex AI's client is not installed: pip install 'penstock[vertex]'") from error
    return set(AcceleratorType.__members__) - {"ACCELERATOR_TYPE_UNSPECIFIED"}

"""What NVIDIA's management library tells of the GPUs that a task sees (https://docs.nvidia.com/deploy/nvml-api).

It comes with the driver, and is asked through `ctypes`: no image needs a package for it. Where it is missing, there is nothing to tell.
"""

import ctypes
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
_LONGEST_NAME = 96  # NVML_DEVICE_NAME_V2_BUFFER_SIZE


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Gpu:
    """What one of them did."""

    def __init__(self, name: str, handle: ctypes.c_void_p) -> None:
        self.name, self.handle = name, handle
        self.utilizations: list[int] = []
        self.memory = 0

    def read(self) -> dict[str, Any]:
        """Returns what is known of it."""
        seen = self.utilizations
        utilization = {"utilization": round(sum(seen) / len(seen) / 100, 4)} if seen else {}
        return {"name": self.name} | utilization | ({"memory_bytes": self.memory} if self.memory else {})


class Gpus:
    """The GPUs of this machine or container, whoever else uses them."""

    def __init__(self) -> None:
        """Finds them. Loading the driver's library may take a second where no process keeps the driver awake."""
        self._gpus: list[_Gpu] = []
        try:
            self._library: Any = ctypes.CDLL(_LIBRARY)
        except OSError:
            return
        count = ctypes.c_uint()
        if self._library.nvmlInit_v2() or self._library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return
        for number in range(count.value):
            handle, name = ctypes.c_void_p(), ctypes.create_string_buffer(_LONGEST_NAME)
            failed = self._library.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(handle))
            if not failed and not self._library.nvmlDeviceGetName(handle, name, _LONGEST_NAME):
                self._gpus.append(_Gpu(name.value.decode(errors="replace"), handle))

    def look(self) -> None:
        """Takes in what they do now; what one does not tell, as a share of one (MIG) tells no utilization, is left out."""
        for gpu in self._gpus:
            utilization, memory = _Utilization(), _Memory()
            if not self._library.nvmlDeviceGetUtilizationRates(gpu.handle, ctypes.byref(utilization)):
                gpu.utilizations.append(utilization.gpu)
            if not self._library.nvmlDeviceGetMemoryInfo(gpu.handle, ctypes.byref(memory)):
                gpu.memory = max(gpu.memory, memory.used)

    def read(self) -> dict[str, Any]:
        """Returns `gpus`; nothing where there are none."""
        return {"gpus": [gpu.read() for gpu in self._gpus]} if self._gpus else {}

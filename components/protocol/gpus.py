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


class Gpus:
    """The GPUs of this machine or container, whoever else uses them."""

    def __init__(self) -> None:
        """Finds them. Loading the driver's library may take a second where no process keeps the driver awake."""
        self._handles: list[ctypes.c_void_p] = []
        self._names: list[str] = []
        self._utilizations: list[list[int]] = []
        self._memory: list[int] = []
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
                self._names.append(name.value.decode(errors="replace"))
                self._utilizations.append([])
                self._memory.append(0)
                self._handles.append(handle)

    def look(self) -> None:
        """Takes in what they do now; one that does not tell, as a share of one (MIG) does not, is left out."""
        for number, handle in enumerate(self._handles):
            utilization, memory = _Utilization(), _Memory()
            if not self._library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(utilization)):
                self._utilizations[number].append(utilization.gpu)
            if not self._library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
                self._memory[number] = max(self._memory[number], memory.used)

    def read(self) -> dict[str, Any]:
        """Returns `gpus`; nothing where there are none."""
        gpus = []
        for name, seen, memory in zip(self._names, self._utilizations, self._memory, strict=False):
            measured = {"utilization": round(sum(seen) / len(seen) / 100, 4)} if seen else {}
            gpus.append({"name": name} | measured | ({"memory_bytes": memory} if memory else {}))
        return {"gpus": gpus} if gpus else {}

"""What the figures were measured on, and with which versions."""

import os
import platform
import re
from pathlib import Path

import penstock
from penstock.local.envs import environment

from . import peer_tfx

_SHOWN = (
    "tfx",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "tensorflow-data-validation",
    "tensorflow-transform",
    "tensorflow-model-analysis",
    "apache-beam",
    "kserve",
)
_PIN = re.compile(r"^([a-z0-9-]+)==([^\s;\\]+)", re.MULTILINE)


def describe() -> str:
    """Returns a few lines: processor, memory, system, Python, and what either side's locks hold."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    families = [environment(family) for family in ("tf", "tfdv", "serve")]
    peer = peer_tfx.environment()
    return "\n".join(
        [
            f"machine: {_processor()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB; {platform.platform()}",
            f"Penstock {penstock.__version__}",
            *(f"  {item.family}: Python {item.version}, {_pins(item.lock)}" for item in families),
            f"the peer: Python {peer.version}, {_pins(peer.lock)}",
            "",
        ]
    )


def _processor() -> str:
    names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return names[0] if names else platform.machine()


def _pins(lock: Path) -> str:
    pins = dict(_PIN.findall(lock.read_text(encoding="utf-8")))
    return ", ".join(f"{name} {pins[name]}" for name in _SHOWN if name in pins)

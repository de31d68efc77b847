"""Python with several logical CPU devices, which have to be there before TensorFlow runs anything: a process of its own."""

import os
import subprocess
import sys

DEVICES = 4
_BEGIN = f"""
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * {DEVICES})
from penstock.components.protocol.logs import configure_logging
configure_logging()
"""


def run_on_devices(code: str, *arguments: str) -> str:
    """Runs code where TensorFlow has four CPU devices, and returns what it printed to stdout."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", _BEGIN + code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout

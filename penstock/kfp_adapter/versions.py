"""What the installed version of kfp can do; setup.cfg says which versions Penstock works with."""

import importlib.metadata
import importlib.util


def installed() -> str:
    """Returns the version of kfp."""
    return importlib.metadata.version("kfp")


def runs_pipelines() -> bool:
    """Tells whether `orchestrator` can be imported: before 2.17, kfp.local keeps no outputs; before 2.16 it knows neither conditions nor loops.

    It can go when setup.cfg asks for 2.17 or later.
    """
    return importlib.util.find_spec("kfp.local.cache") is not None

"""Prometheus, its Alertmanager and its Pushgateway: those on PATH, or else in the folder that a variable names. Standard library only."""

import os
import shutil

FOLDER = "PENSTOCK_PROMETHEUS"
HOW = "install Debian's packages prometheus, prometheus-alertmanager and prometheus-pushgateway, or put the programs on PATH"
# In Debian's packages the names of the programs begin with it.
PREFIX = "prometheus-"


def find(name: str) -> str | None:
    """Returns the path of a program, such as `promtool` or `alertmanager`; None where it is not there."""
    places = [None, os.environ.get(FOLDER) or os.devnull]
    return next((found for place in places for each in (name, PREFIX + name) if (found := shutil.which(each, path=place))), None)

"""Which folder is which package; setuptools finds what lies in each. The rest of the distribution's metadata is in setup.cfg.

Neither setup.cfg nor pyproject.toml can say this: there, packages are either found, and then named as their folders, or listed one by one.
"""

from setuptools import find_packages, setup

FOLDERS = {
    "penstock": "penstock",
    "penstock.components": "components",
    "penstock.pipelines": "pipelines",
    "penstock.images": "images",
    "penstock.compiled": "compiled",
}

setup(
    package_dir=FOLDERS,
    packages=[package for root, folder in FOLDERS.items() for package in (root, *(f"{root}.{name}" for name in find_packages(folder)))],
)

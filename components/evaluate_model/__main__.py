"""The container's command."""

from penstock.components.runtime import main

main(__spec__.parent)

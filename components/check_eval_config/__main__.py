"""The container's command."""

from penstock.components.runtime import command

command(__spec__.parent)

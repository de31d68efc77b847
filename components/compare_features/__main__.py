"""The container's command."""

from penstock.components.protocol import command

command(__spec__.parent)

"""`python -m penstock.cli`: the `penstock` command, where its script is not on the path."""

from . import main

main(prog_name="penstock")

"""A model server of this machine: `local://DIR`."""

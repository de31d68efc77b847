"""KServe: `kserve://NAMESPACE/NAME`."""

"""The compiled pipelines and components: what `penstock compile` writes, and the commands find by name."""

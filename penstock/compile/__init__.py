"""What `penstock compile` writes: compiled pipelines and components, the components' pages, the rules' page."""

"""compare_features as a package: the interface is in component.py, the work in task.py."""

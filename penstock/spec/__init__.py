"""A compiled pipeline as a document: found, read safely, checked, given its parameters, made the same for every backend."""

"""A compiled pipeline as a document: finds, reads and checks it, sets its parameters, and makes it portable."""

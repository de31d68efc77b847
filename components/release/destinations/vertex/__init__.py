"""Vertex AI: `vertex://PROJECT/LOCATION/ENDPOINT`."""

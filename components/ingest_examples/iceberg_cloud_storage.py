"""Google Cloud Storage for pyiceberg, through the client that all other inputs are read with."""

from typing import Any

from pyiceberg.io import GCS_SERVICE_HOST, GCS_TOKEN
from pyiceberg.io.fsspec import FsspecFileIO

from penstock.components.data.filesystems import open_store


class CloudStorage(FsspecFileIO):
    """Files in `gs://`. Arrow's client, which pyiceberg prefers, tries for 15 minutes if it finds no credentials."""

    def get_fs(self, scheme: str, hostname: str | None = None) -> Any:
        """Returns the filesystem of a scheme: as the catalog describes it, if it does."""
        if {GCS_TOKEN, GCS_SERVICE_HOST} & self.properties.keys():
            return super().get_fs(scheme, hostname)
        return open_store(f"{scheme}://")[0]

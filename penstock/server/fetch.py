"""Fetches a model from a bucket, for Vertex AI. KServe fetches models itself before it starts a server."""

from pathlib import Path


def local_model(uri: str, scratch: Path) -> Path:
    """Returns the folder of a model, copied below `scratch` from where it lies unless that is a folder.

    Args:
        uri: A folder, or a URI that fsspec knows: `gs://bucket/path`, `s3://bucket/path`.
        scratch: An empty folder.

    Raises:
        ValueError: Nothing is there, or it cannot be read.
    """
    if "://" not in uri:
        return Path(uri)
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(uri)
        if not files.exists(root):
            raise ValueError(f"nothing is at {uri}")
        files.get(root.rstrip("/") + "/", f"{scratch}/model/", recursive=True)
    except (ImportError, OSError) as error:
        raise ValueError(f"{uri} cannot be fetched: {type(error).__name__}: {error}") from error
    return scratch / "model"

"""Prints the SHA-256 of the rows that score_batch has written, without the time. Runs in the `tf` environment, which has pyarrow.

python scored_rows.py FOLDER
"""

import hashlib
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_TIME = "scored_at"


def main(folder: Path) -> None:
    """Hashes the rows of all parts, in order."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode())
        with pq.ParquetFile(path) as part:
            names = [name for name in part.schema_arrow.names if name != _TIME]
            for batch in part.iter_batches(columns=names):
                with pa.ipc.new_stream(sink := pa.BufferOutputStream(), batch.schema) as writer:
                    writer.write_batch(batch)
                digest.update(sink.getvalue())
    print(digest.hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Copies a file or a folder to a bucket, or removes what lies there; runs in the deploy family's environment.

python bucket_files.py put PATH URI
python bucket_files.py remove URI
python bucket_files.py list URI
"""

import sys
from contextlib import suppress
from pathlib import Path

from penstock.components.data.filesystems import open_store


def main(verb: str, *words: str) -> None:
    """Does it."""
    files, place = open_store(words[-1])
    if verb == "put":
        source = Path(words[0])
        for path in [source] if source.is_file() else sorted(each for each in source.rglob("*") if each.is_file()):
            files.put_file(str(path), place if source.is_file() else f"{place}/{path.relative_to(source).as_posix()}")
    elif verb == "list":
        print(*files.find(place), sep="\n")
    else:
        with suppress(FileNotFoundError):
            files.rm(place, recursive=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

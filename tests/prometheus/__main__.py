"""`make prometheus`: fetches the programs that the tests of alerts run. With a command: runs it, or fails without the programs."""

import os
import subprocess
import sys

from .fetching import make, variables


def main(command: list[str]) -> int:
    """Returns the exit code."""
    missing = make()
    if missing:
        print(f"error: {missing}" if command else f"{missing}: tests of alerts are skipped", file=sys.stderr)
        return int(bool(command))
    return subprocess.run(command, env=os.environ | variables(), check=False).returncode if command else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

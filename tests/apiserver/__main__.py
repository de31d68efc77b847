"""`make kubernetes`: makes what the tests' Kubernetes API is started from."""

import sys

from penstock.errors import UserError

from .programs import make


def main() -> int:
    """Returns the exit code: 0 also where this machine cannot have it, for the tests that need it say so, and are skipped."""
    try:
        if missing := make():
            print(f"{missing}: tests of Kubernetes are skipped")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

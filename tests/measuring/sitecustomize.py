"""Python imports this when it starts, wherever this folder is on its path: coverage begins to measure the process."""

import coverage

coverage.process_startup()

"""Running here: the families' environments, their tasks' processes, a cache by content, and kfp.local with its patches."""

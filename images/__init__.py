"""The dependency families: one folder each, with its hashed lock."""

"""The whole circle on one machine: a model serves, is monitored, is trained again, and is replaced if the new one is better."""

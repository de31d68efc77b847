"""Raised for features that only TFMA on Beam can evaluate."""


class NotVectorized(Exception):
    """Something that only TFMA's own engine computes; the message names it."""

"""What sends an evaluation to TFMA on Beam."""


class NotVectorized(Exception):
    """Something that only TFMA's own engine computes; the message names it."""

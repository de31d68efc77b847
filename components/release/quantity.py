"""Quantities of CPU, memory and storage, as Kubernetes writes them."""

from decimal import Decimal


def read_quantity(text: str) -> Decimal:
    """Returns the number that a quantity such as `500m` or `2Gi` stands for: of CPUs, of bytes.

    Raises:
        ValueError: The text is not a quantity, or is below 0.
    """
    from kubernetes.utils.quantity import parse_quantity

    number = parse_quantity(text)
    if not number.is_finite() or number < 0:
        raise ValueError(f"{text!r} is not a quantity")
    return number


def is_quantity(text: str) -> bool:
    """Tells whether a text is a quantity."""
    try:
        read_quantity(text)
    except ValueError:
        return False
    return True

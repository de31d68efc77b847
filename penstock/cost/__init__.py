"""What a run took, what that costs, and which settings would have done."""

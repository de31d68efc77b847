"""What is known of airports and aircraft at a time: a Feast repository."""

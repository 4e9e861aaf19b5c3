"""Training whole networks, end to end."""

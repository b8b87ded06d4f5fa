"""What there is to play."""

"""What was handed in: found, read, and rebuilt from our own source."""

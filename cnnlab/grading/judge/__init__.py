"""Whether it is right: what the solution says, and what it is worth."""

"""What a lab is made of, whatever its topic: source, checks, probes."""

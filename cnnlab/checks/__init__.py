"""One file a lab: its checks, and the typical mistakes that they recognise."""

"""Speed beside a peer: `python -m benchmarks.NAME` runs both in turn and prints the ratio with its spread."""

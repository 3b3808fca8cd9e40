"""Speed beside a peer's: `python -m benchmarks.NAME` runs both in turn and prints the ratio with its spread."""

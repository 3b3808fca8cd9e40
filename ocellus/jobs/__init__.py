"""What the commands do, as plain functions: `ocellus.train`, `ocellus.evaluate`, `ocellus.run` and others."""

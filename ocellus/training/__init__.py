"""Training: functions over lightning's Trainer. `ocellus.training.fit` imports it, this package does not."""

"""Training: sampling, losses, the one training loop."""

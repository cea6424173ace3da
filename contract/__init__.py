"""What two Flawline processes must agree on, and nothing else."""

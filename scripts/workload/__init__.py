"""What scripts/make-workloads and scripts/make-traps are made of."""

"""What this machine offers to runs: GPUs, processors and memory, divided into slots; leases on its GPUs."""

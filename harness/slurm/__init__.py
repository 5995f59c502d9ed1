"""Submit workers to a SLURM cluster and read its queue. SLURM does the scheduling."""

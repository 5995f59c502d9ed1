"""A plan and a site -> jobs of a SLURM cluster, and what its queue says of them. SLURM is the engine: nothing here schedules."""

"""A Slurm cluster as a place, through sbatch, squeue, scancel and, where there is accounting, sacct."""

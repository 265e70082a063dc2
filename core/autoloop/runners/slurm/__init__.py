"""Runs attempts on a Slurm cluster, with sbatch, squeue, scancel and, if there is accounting, sacct."""

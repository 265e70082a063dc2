"""Check whether Slurm would accept a job of the loop."""

from __future__ import annotations

from autoloop.model import LoopSpec
from autoloop.preflight.finding import Finding, error, ok


def slurm(spec: LoopSpec) -> list[Finding]:
    """Test a submission without submitting a job; nothing if the loop does not use Slurm."""
    if spec.slurm is None:
        return []
    from autoloop.runners.slurm.commands import SlurmError, try_submission
    from autoloop.runners.slurm.script import default_gres, resources

    try:
        said = try_submission(resources(spec.slurm, default_gres(spec)))
    except SlurmError as problem:
        advice = "try again when Slurm answers" if problem.silent else "fix [slurm] in autoloop.toml"
        return [error("Slurm", f"it would reject a job: {problem}", advice)]
    return [ok("Slurm", said)]

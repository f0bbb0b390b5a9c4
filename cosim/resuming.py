"""Taking up an interrupted run: what is in its folder, and whether it is the same run."""

from pathlib import Path
from typing import Any

from cosim.checkpoint_identity import differences, identity, stated
from cosim.checkpoint_store import CHECKPOINTS_FOLDER, Checkpoint, CheckpointStore
from cosim.config import Experiment
from cosim.errors import ConfigurationError, ResultsError
from cosim.experiment_file import validate
from cosim.plan import Plan
from cosim.ranks import Ranks
from cosim.run_folder import reached_end, stored_facts

# The manifest's key for the experiment as its file says it.
_DOCUMENT = "document"


def facts_of(experiment: Experiment, planned: Plan, n_ranks: int) -> dict[str, Any]:
    """What a manifest says of the run, so that it can be taken up and not be mixed up.

    Args:
        experiment: As the user gave it.
        planned: What is run.
        n_ranks: Ranks of the run.
    """
    document = {**experiment.resolved(), "base": str(experiment.base.resolve())}
    return {"identity": identity(planned, n_ranks), _DOCUMENT: document}


def same_finished(directory: Path, planned: Plan) -> None:
    """Make sure that a run which reached its end is the one that would be resumed.

    Args:
        directory: Its folder.
        planned: What would go on.

    Raises:
        ConfigurationError: If it is another experiment, with what differs.
    """
    then = stored_facts(directory).get("experiment") or {}
    now = planned.experiment.resolved()
    problem = differences({"experiment": stated(now)}, {"experiment": stated(then)})
    if problem:
        raise ConfigurationError(
            f"{directory} holds the results of another experiment, which reached its end: "
            f"{problem}. Start this one in another folder, without --resume."
        )


def newest(directory: Path, ranks: Ranks | None = None) -> Checkpoint:
    """The checkpoint from which the run in a folder goes on, the same on all ranks.

    Args:
        directory: Folder of the run.
        ranks: Who goes on from it, each calling this; None: this process alone.

    Raises:
        ConfigurationError: If there is none.
        ResultsError: If all are damaged.
    """
    found = CheckpointStore(directory, 1).newest(ranks)
    if found is None:
        raise ConfigurationError(_nothing_to_resume(directory))
    return found


def _nothing_to_resume(directory: Path) -> str:
    if reached_end(directory):
        return f"{directory} holds a run that reached its end; nothing of it is left to resume."
    return (
        f"{directory / CHECKPOINTS_FOLDER} holds no checkpoint; runs write them with "
        f"checkpoint: {{every_minutes: 10}} in the experiment file. Start the run anew."
    )


def same_run(checkpoint: Checkpoint, planned: Plan, n_ranks: int) -> None:
    """Make sure that a run may go on from a checkpoint.

    Args:
        checkpoint: Where it would go on.
        planned: What would go on.
        n_ranks: Its ranks.

    Raises:
        ConfigurationError: If it is another run, with what differs.
    """
    problem = differences(identity(planned, n_ranks), checkpoint.facts["identity"])
    if problem:
        raise ConfigurationError(
            f"{checkpoint.folder} is of another run: {problem}. Resume with what it was written "
            f"with, or start anew in another folder."
        )


def interrupted_experiment(directory: Path) -> Experiment:
    """The experiment of an interrupted run, as its file said it.

    Args:
        directory: Folder of the run.

    Raises:
        ConfigurationError: If there is no checkpoint, or the experiment was made in Python.
        ResultsError: If all are damaged.
    """
    facts = None
    try:
        facts = CheckpointStore(directory, 1).newest_facts()
    except ResultsError:
        if not reached_end(directory):  # else they were about to be removed
            raise
    if facts is None:
        raise ConfigurationError(_nothing_to_resume(directory))
    document = dict(facts[_DOCUMENT])
    base = Path(document.pop("base"))
    try:
        return validate(document, base)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"The experiment of {directory} cannot be told from its checkpoint ({error}); name its "
            f"file as well, or call cosim.run(experiment, {str(directory)!r}, resume=True)."
        ) from error

"""The command line with checkpoints at every opportunity, so that kills at small scales meet them: ``often_saved.py experiment ...``."""

from glassgpu.cli.main import main
from glassgpu.engines import quench_run, runs
from glassgpu.models import stored, training

if __name__ == "__main__":
    runs.SECONDS_PER_CHECKPOINT = quench_run.SECONDS_PER_CHECKPOINT = training.SAVE_EVERY = stored.SAVE_EVERY = 0.0
    main()

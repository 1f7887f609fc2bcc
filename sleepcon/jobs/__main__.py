"""``python -m sleepcon.jobs HOME``: the worker of a home folder. Pages start it; nobody has to."""

import logging
import sys
from pathlib import Path

from sleepcon.jobs.worker import work

logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
work(Path(sys.argv[1]))

"""Run the collector: python -m anchorhold._collect."""

from __future__ import annotations

import sys

from .command import main

sys.exit(main(sys.argv[1:]))

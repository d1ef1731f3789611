"""Run the operator's command line."""

from __future__ import annotations

import sys

from gpu_jobs.admin.command import main

sys.exit(main())

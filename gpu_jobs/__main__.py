"""`python -m gpu_jobs --lane media|gpu`."""

from __future__ import annotations

import sys

from gpu_jobs.main import main

sys.exit(main())

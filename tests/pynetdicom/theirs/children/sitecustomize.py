"""Gives the programs that pynetdicom's tests start the package under test, as `session.py` names it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if package := os.environ.get("PYNETDICOM_IS"):
    sys.path.append(str(Path(__file__).parents[1]))
    import substitute

    substitute.install(package)
    sys.path.pop()

"""`python -m dicomproto_transports.apps` is `dicomproto`."""

from __future__ import annotations

import sys

from . import main

sys.exit(main())

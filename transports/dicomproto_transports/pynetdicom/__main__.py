"""`python -m dicomproto_transports.pynetdicom`."""

from __future__ import annotations

import sys

from .migrate import main

if __name__ == "__main__":
    sys.exit(main())

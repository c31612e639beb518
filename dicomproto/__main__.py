"""`python -m dicomproto` is the command `dicomproto`.

It is a program on top of the adapters, and lies here for its name alone: the engine knows neither.
"""

from __future__ import annotations

import sys

from dicomproto_transports.apps import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m dicomproto` is the command `dicomproto`.

It is a program on top of the adapters, and is in this package only for its name. The engine does not use it.
"""

from __future__ import annotations

import sys

from dicomproto_transports.apps import main

if __name__ == "__main__":
    sys.exit(main())

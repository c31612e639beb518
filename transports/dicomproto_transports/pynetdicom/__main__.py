"""`python -m dicomproto_transports.pynetdicom`."""

from __future__ import annotations

import os
import sys

from .migrate import main

if __name__ == "__main__":
    try:
        code: int = main()
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on, as behind `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 2
    sys.exit(code)

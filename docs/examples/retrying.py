"""Ask again for an association while the archive is away or has no room."""

from __future__ import annotations

import socket
import time

from dicomproto.errors import AssociationError, AssociationRejected
from dicomproto.uids import VERIFICATION
from dicomproto_transports.blocking import AE, Association, evt

PERMANENT = 1


def associated(ae: AE, host: str, port: int, *, attempts: int = 3, pause: float = 5.0) -> Association:
    """Return an association; raise the error of the last attempt."""
    for attempt in range(1, attempts + 1):
        try:
            return ae.associate(host, port)
        except AssociationError as error:
            print(f"attempt {attempt}: {type(error).__name__}")
            is_for_good = isinstance(error, AssociationRejected) and error.result == PERMANENT
            if is_for_good or attempt == attempts:
                raise
        time.sleep(pause)
    raise ValueError("there must be at least one attempt")


refusals = [(2, 3, 2), (2, 3, 1)]  # transient: the limit of associations, congestion


def reject_at_first(event: evt.RequestedEvent) -> None:
    if refusals:
        event.reject(*refusals.pop())


ae = AE("MODALITY")
ae.add_requested_context(VERIFICATION)
ae.add_supported_context(VERIFICATION)

handlers = [(evt.EVT_REQUESTED, reject_at_first)]
with ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers) as server:
    with associated(ae, "127.0.0.1", server.port, pause=0.0) as assoc:
        print("established:", assoc.is_established)

with socket.create_server(("127.0.0.1", 0)) as gone:
    port = gone.getsockname()[1]
try:
    associated(ae, "127.0.0.1", port, attempts=2, pause=0.0)
except AssociationError as error:
    print("given up:", type(error).__name__)

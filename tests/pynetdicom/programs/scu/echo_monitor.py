"""Watches a peer by C-ECHO, with handlers that keep a journal, and the package's own logging off."""

import logging
import sys

from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification

_config.LOG_HANDLER_LEVEL = "none"
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

journal = logging.getLogger("monitor")
journal.addHandler(logging.StreamHandler(sys.stdout))
journal.setLevel(logging.INFO)
journal.propagate = False


def note(event, logger):
    logger.info("%s %s", event.event.name, event.event.is_notification)


def opened(event):
    host, port = event.address[:2]
    journal.info("open %s %s %s", host, port == int(sys.argv[1]), event.assoc.is_requestor)


handlers = [
    (evt.EVT_CONN_OPEN, opened),
    (evt.EVT_REQUESTED, note, [journal]),
    (evt.EVT_ACCEPTED, note, [journal]),
    (evt.EVT_ESTABLISHED, note, [journal]),
    (evt.EVT_REJECTED, note, [journal]),
    (evt.EVT_RELEASED, note, [journal]),
]

ae = AE("MONITOR")
ae.add_requested_context(Verification)
failures = 0
for number in range(1, 4):
    assoc = ae.associate("127.0.0.1", int(sys.argv[1]), evt_handlers=handlers)
    if not assoc.is_established:
        journal.info("not established: rejected=%s aborted=%s", assoc.is_rejected, assoc.is_aborted)
        failures += 1
        break
    status = assoc.send_c_echo(msg_id=number)
    if "Status" not in status:
        journal.info("no response to %d", number)
        failures += 1
    else:
        journal.info("status %s", status.get("Status"))
    assoc.release()
    journal.info("ended: released=%s", assoc.is_released)
sys.exit(min(failures, 1))

"""An association on the wire: as events for a handler, and as a log."""

from __future__ import annotations

import logging
import sys

from dicomproto.services.sop_classes import Verification
from dicomproto_transports.logs import log_associations, log_messages
from dicomproto_transports.testing import AE, Lockstep, evt


def handle_message(event):
    came = event.event is evt.EVT_DIMSE_RECV
    print("<-" if came else "->", event.message.command.name, "on context", event.message.context_id)


def handle_transition(event):
    print("  ", event.fsm_event, event.current_state, event.action, event.next_state)


async def session(world, *handlers):
    scp, scu = AE(world, "ARCHIVE"), AE(world, "MODALITY")
    scp.add_supported_context(Verification)
    scu.add_requested_context(Verification)
    async with scp.start_server() as server:
        async with scu.associate("archive", server.port, ae_title="ARCHIVE", evt_handlers=handlers) as assoc:
            await assoc.send_c_echo()


with Lockstep() as world:
    handlers = [
        (evt.EVT_DIMSE_SENT, handle_message),
        (evt.EVT_DIMSE_RECV, handle_message),
        (evt.EVT_FSM_TRANSITION, handle_transition),
    ]
    world.run(session(world, *handlers))

print()
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(levelname)s %(message)s")
logging.getLogger("dicomproto.association").setLevel(logging.INFO)

with Lockstep() as world:
    handlers = [
        (evt.EVT_ACSE_RECV, log_associations),
        (evt.EVT_DIMSE_SENT, log_messages),
        (evt.EVT_DIMSE_RECV, log_messages),
    ]
    world.run(session(world, *handlers))

"""A handler tested in memory: a peer that is silent for 15 minutes, and one that is lost during an object."""

from __future__ import annotations

from pydicom.data import get_testdata_file
from pydicom.uid import CTImageStorage

from dicomproto.errors import AssociationError
from dicomproto_transports.testing import AE, Faults, Lockstep, evt

PATH = get_testdata_file("CT_small.dcm")


def application_entities(world):
    scp, scu = AE(world, "ARCHIVE"), AE(world, "MODALITY")
    scp.add_supported_context(CTImageStorage)
    scu.add_requested_context(CTImageStorage)
    return scp, scu


def handle_store(event):
    print("stored", event.request.AffectedSOPInstanceUID)
    return 0x0000


async def session(world):
    """Store an object, then do nothing until the server aborts."""
    scp, scu = application_entities(world)
    handlers = [(evt.EVT_C_STORE, handle_store)]
    async with (
        scp.start_server(evt_handlers=handlers) as server,
        scu.associate("archive", server.port, ae_title="ARCHIVE") as assoc,
    ):
        try:
            await assoc.send_c_store(PATH)
            await assoc.serve()
        except AssociationError as error:
            print(error)
    print(f"at {world.now():.0f} s")


with Lockstep() as world:
    world.run(session(world))

with Lockstep() as world:
    world.backend.to_server = Faults(cut_after=20_000)
    world.run(session(world))

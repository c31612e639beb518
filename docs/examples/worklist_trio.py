"""A modality worklist in trio: matches come from an async generator, and leave one by one."""

from __future__ import annotations

from contextlib import aclosing

import trio

from dicomproto.matching import Query, make_identifier, worklist_query
from dicomproto.services.sop_classes import ModalityWorklistInformationModelFind
from dicomproto_transports.trio import AE, evt

HOST = "127.0.0.1"


async def entries():
    """Yield the entries of the worklist slowly, as a database would."""
    for number, station in enumerate(("CT1", "MR1", "CT1", "CT1"), 1001):
        await trio.lowlevel.checkpoint()
        yield make_identifier(
            PatientName=f"Doe^{number}",
            AccessionNumber=str(number),
            ScheduledProcedureStepSequence={"ScheduledStationAETitle": station, "Modality": station[:2]},
        )


async def handle_find(event):
    query = Query(event.identifier)
    async with aclosing(entries()) as found:
        async for entry in found:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            if query.matches(entry):
                yield 0xFF00, query.response(entry)


async def main():
    ris, modality = AE(ae_title="RIS"), AE(ae_title="CT1")
    ris.add_supported_context(ModalityWorklistInformationModelFind)
    modality.add_requested_context(ModalityWorklistInformationModelFind)
    identifier = worklist_query(ScheduledStationAETitle="CT1")

    async with (
        ris.start_server((HOST, 0), evt_handlers=[(evt.EVT_C_FIND, handle_find)]) as server,
        modality.associate(HOST, server.port, ae_title="RIS") as assoc,
    ):
        async for response, entry in assoc.send_c_find(identifier, ModalityWorklistInformationModelFind):
            print(f"{response.Status:04X}", entry.PatientName if entry else "that is all")

        # Leaving the loop cancels the rest of the query.
        async with assoc.send_c_find(identifier, ModalityWorklistInformationModelFind) as responses:
            async for _, entry in responses:
                print(f"{entry.PatientName} is enough")
                break
        print(responses.is_over, assoc.is_established)


if __name__ == "__main__":
    trio.run(main)

"""A worklist that filters by the keys of the request, in a class, with a status that explains itself."""

import sys
import threading
from copy import deepcopy

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    GeneralRelevantPatientInformationQuery,
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    Verification,
)


class Worklist:
    def __init__(self):
        self.entries = []
        for number, name in enumerate(("CITIZEN^Jan", "DOE^Jane", "MÜLLER^Hans")):
            ds = Dataset()
            ds.SpecificCharacterSet = "ISO_IR 100"
            ds.PatientName = name
            ds.PatientID = str(number)
            step = Dataset()
            step.Modality = "CT"
            step.ScheduledStationAETitle = "CTSCANNER"
            ds.ScheduledProcedureStepSequence = [step]
            self.entries.append(ds)

    def __call__(self, event):
        keys = event.identifier
        if event.context.abstract_syntax == GeneralRelevantPatientInformationQuery:
            status = Dataset()
            status.Status = 0xC100
            status.ErrorComment = "more than one match"
            yield status, None
            return
        wanted = str(keys.get("PatientName", "") or "")
        print(
            "query", wanted, [elem.keyword for elem in keys], event.context.transfer_syntax.name, flush=True
        )
        for entry in self.entries:
            if event.is_cancelled:
                yield (0xFE00, None)
                return
            if wanted.strip("*") and not str(entry.PatientName).startswith(wanted.strip("*")):
                continue
            answer = deepcopy(entry)
            for elem in keys:
                if elem.tag not in answer:
                    answer.add(elem)
            yield (0xFF00, answer)
        return


def nothing(event):
    print("C-FIND by a plain function", flush=True)


ae = AE(ae_title="WORKLIST")
for uid in (
    Verification,
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    GeneralRelevantPatientInformationQuery,
):
    ae.add_supported_context(uid)
worklist = Worklist()
server = ae.start_server(
    ("127.0.0.1", int(sys.argv[1])), block=False, evt_handlers=[(evt.EVT_C_FIND, worklist)]
)
server.bind(evt.EVT_RELEASED, lambda event: print("released", flush=True))
print([kind.name for kind in server.get_events() if kind.name.startswith(("EVT_C_F", "EVT_RE"))])
print(server.get_handlers(evt.EVT_C_FIND)[0] is worklist, len(server.get_handlers(evt.EVT_RELEASED)))
server.unbind(evt.EVT_C_FIND, nothing)
try:
    threading.Event().wait()
except KeyboardInterrupt:
    print("shutting down")
    server.shutdown()

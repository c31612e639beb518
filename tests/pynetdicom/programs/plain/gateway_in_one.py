"""Both sides of a procedure step in one process; the server is stopped, started again, and aborts a peer."""

import sys
import threading

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep, Verification

ADDRESS = ("127.0.0.1", int(sys.argv[1]))
ended = threading.Event()


class Gateway(AE):
    def __init__(self, name):
        super().__init__(ae_title=name)
        self.steps = {}
        self.add_supported_context(ModalityPerformedProcedureStep)
        self.add_supported_context(Verification)

    def created(self, event):
        self.steps[event.request.AffectedSOPInstanceUID] = event.attribute_list
        return 0x0000, event.attribute_list

    def changed(self, event):
        ds = self.steps[event.request.RequestedSOPInstanceUID]
        for elem in event.modification_list:
            ds[elem.tag] = elem
        return 0x0000, ds

    def start(self):
        handlers = [(evt.EVT_N_CREATE, self.created), (evt.EVT_N_SET, self.changed)]
        return self.start_server(ADDRESS, block=False, evt_handlers=handlers)


gateway = Gateway("GATEWAY")
server = gateway.start()
client = AE("CLIENT")
client.requested_contexts = gateway.supported_contexts
step = Dataset()
step.PerformedProcedureStepStatus = "IN PROGRESS"
assoc = client.associate(*ADDRESS, evt_handlers=[(evt.EVT_ABORTED, lambda event: ended.set())])
print(assoc.is_established, [cx.abstract_syntax.name for cx in assoc.accepted_contexts])
status, ds = assoc.send_n_create(step, ModalityPerformedProcedureStep, "1.2.3")
print(hex(status.Status), ds.PerformedProcedureStepStatus)
step.PerformedProcedureStepStatus = "COMPLETED"
status, ds = assoc.send_n_set(step, ModalityPerformedProcedureStep, "1.2.3")
print(
    hex(status.Status), ds.PerformedProcedureStepStatus, gateway.steps["1.2.3"].PerformedProcedureStepStatus
)
status, ds = assoc.send_n_set(step, ModalityPerformedProcedureStep, "1.2.4")
print(hex(status.Status), ds)
print(len(server.active_associations), len(gateway.active_associations), len(client.active_associations))
server.active_associations[0].abort()
print("peer has aborted", ended.wait(10), assoc.is_aborted, assoc.is_established)
server.shutdown()
assoc = client.associate(*ADDRESS)
print("without a server", assoc.is_established, assoc.is_aborted)
server = gateway.start()
assoc = client.associate(*ADDRESS)
print("again", assoc.is_established, assoc.send_c_echo().Status)
assoc.release()
gateway.shutdown()
assoc = client.associate(*ADDRESS)
print("after all", assoc.is_established, assoc.is_aborted, gateway.active_associations)

"""Asks a printer for its state, and makes a film session, on the context of the meta SOP class."""

import sys

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import (
    BasicFilmSession,
    BasicGrayscalePrintManagementMeta,
    Printer,
    PrinterInstance,
)


class Film:
    def __init__(self, assoc):
        self.assoc = assoc
        self.uid = generate_uid(entropy_srcs=["film"])

    def create(self):
        session = Dataset()
        session.NumberOfCopies = "1"
        session.PrintPriority = "LOW"
        session.MediumType = "PAPER"
        return self.assoc.send_n_create(
            session, BasicFilmSession, self.uid, meta_uid=BasicGrayscalePrintManagementMeta
        )

    def delete(self):
        return self.assoc.send_n_delete(
            BasicFilmSession, self.uid, meta_uid=BasicGrayscalePrintManagementMeta
        )


ae = AE("PRINTSCU")
ae.add_requested_context(BasicGrayscalePrintManagementMeta)
assoc = ae.associate("127.0.0.1", int(sys.argv[1]))
if not assoc.is_established:
    sys.exit("No association with the printer")
try:
    status, attributes = assoc.send_n_get(
        [0x21100010, (0x0008, 0x0070)], Printer, PrinterInstance, meta_uid=BasicGrayscalePrintManagementMeta
    )
    if status and status.Status == 0x0000:
        print(attributes.get("PrinterStatus"), attributes.get("PrinterStatusInfo", "-"))
    else:
        print("no state", status, attributes)
        sys.exit("the printer is lost")
    film = Film(assoc)
    status, attributes = film.create()
    print("Status" in status and status.Status, attributes and sorted(e.keyword for e in attributes))
    print(film.delete().get("Status"))
    for wrong in (BasicFilmSession, Printer):
        try:
            assoc.send_n_get([], wrong, PrinterInstance)
        except ValueError as error:
            print(error)
except RuntimeError as error:
    print("RuntimeError:", error)
finally:
    assoc.release()
    print(assoc.is_released)

"""Storage commitment (PS3.4 Annex J): an archive answers for objects before a modality deletes its own.

The answer is an N-EVENT-REPORT. It comes on the association of the request, or on a new one, which the
archive opens in the role of SCP.
"""

from __future__ import annotations

from queue import Queue
from threading import Thread

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid

from dicomproto.errors import AssociationError
from dicomproto.services.sop_classes import StorageCommitmentPushModel, StorageCommitmentPushModelInstance
from dicomproto_transports import build_role
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"
REQUEST_COMMITMENT = 1  # Action Type ID, PS3.4 J.3.2
SUCCESS, FAILURES_EXIST = 1, 2  # Event Type IDs, PS3.4 J.3.3
NO_SUCH_OBJECT, CLASS_CONFLICT = 0x0112, 0x0119  # Failure Reasons, PS3.3 C.14


def reference(sop_class, sop_instance, failure_reason=None):
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_instance
    if failure_reason is not None:
        item.FailureReason = failure_reason
    return item


# --- the archive: the SCP -----------------------------------------------------------------------


class Archive:
    """Knows which objects it keeps (SOP class by SOP instance), and where to find the modalities."""

    def __init__(self, kept, modalities, *, at_once):
        self.kept = kept
        self.modalities = modalities
        self.at_once = at_once
        self.ae = AE(ae_title="ARCHIVE")
        self.ae.add_supported_context(StorageCommitmentPushModel)
        self.reports = Queue()
        self.answers = []

    def handle_action(self, event):
        """Take a request for commitment; the answer is given once the response has left."""
        if event.request.RequestedSOPInstanceUID != StorageCommitmentPushModelInstance:
            return 0x0112, None  # no such SOP instance
        if event.action_type != REQUEST_COMMITMENT:
            return 0x0123, None  # no such action
        information = event.action_information
        if not information.get("TransactionUID") or not information.get("ReferencedSOPSequence"):
            return 0x0115, None  # invalid argument value
        event_type, report = self.check(information)
        if self.at_once:
            event.after_response(self.report_on, event_type, report)
        else:
            self.reports.put((event.assoc.requestor.ae_title, event_type, report))
        return 0x0000, None

    def check(self, information):
        """Return the Event Type ID and the Event Information that answer a request."""
        kept, failed = [], []
        for item in information.ReferencedSOPSequence:
            sop_class, sop_instance = item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID
            known = self.kept.get(sop_instance)
            if known == sop_class:
                kept.append(reference(sop_class, sop_instance))
            else:
                reason = NO_SUCH_OBJECT if known is None else CLASS_CONFLICT
                failed.append(reference(sop_class, sop_instance, reason))
        report = Dataset()
        report.TransactionUID = information.TransactionUID
        if kept:
            report.RetrieveAETitle = self.ae.ae_title
            report.ReferencedSOPSequence = kept
        if failed:
            report.FailedSOPSequence = failed
        return FAILURES_EXIST if failed else SUCCESS, report

    def report_on(self, assoc, event_type, report):
        """Send a report on an association, whoever opened it."""
        response, _ = assoc.send_n_event_report(
            report, event_type, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        self.answers.append(f"{response.Status:04X}")

    def report_later(self):
        """Send the reports that wait, each on a new association."""
        while (waiting := self.reports.get()) is not None:
            title, event_type, report = waiting
            if title not in self.modalities:
                print("archive: there is no address for", title)
                continue
            host, port = self.modalities[title]
            try:
                with self.ae.associate(
                    host,
                    port,
                    contexts=[StorageCommitmentPushModel],
                    ae_title=title,
                    ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
                ) as assoc:
                    self.report_on(assoc, event_type, report)
            except AssociationError as error:  # a real one would try again later
                print("archive:", error)


# --- a modality: the SCU ------------------------------------------------------------------------


class Modality:
    """Asks for commitment, and remembers what for until the answer comes."""

    def __init__(self):
        self.ae = AE(ae_title="CT1")
        self.ae.add_requested_context(StorageCommitmentPushModel)
        self.ae.add_supported_context(StorageCommitmentPushModel)
        self.handlers = [(evt.EVT_N_EVENT_REPORT, self.handle_report)]
        self.transactions = {}
        self.answers = Queue()

    def request(self, assoc, references):
        """Ask for commitment of (SOP class, SOP instance) pairs; return the Transaction UID."""
        information = Dataset()
        information.TransactionUID = generate_uid()
        information.ReferencedSOPSequence = [reference(*pair) for pair in references]
        self.transactions[information.TransactionUID] = set(references)
        response, _ = assoc.send_n_action(
            information, REQUEST_COMMITMENT, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        if response.Status != 0x0000:
            del self.transactions[information.TransactionUID]  # no answer will come
        print(f"modality: the request was answered with {response.Status:04X}")
        return information.TransactionUID

    def handle_report(self, event):
        """Take the archive's answer."""
        report = event.event_information
        asked = self.transactions.get(report.get("TransactionUID"))
        if asked is None:
            return 0x0115, None  # invalid argument value: not a transaction of ours
        kept = {
            (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID)
            for item in report.get("ReferencedSOPSequence", ())
        }
        del self.transactions[report.TransactionUID]
        if event.event_type == SUCCESS and kept == asked:
            self.answers.put(f"all {len(kept)} objects are kept, they may be deleted here")
        else:
            lost = report.get("FailedSOPSequence", ())
            reasons = [
                f"{item.ReferencedSOPInstanceUID} ({item.get('FailureReason', 0):04X})" for item in lost
            ]
            self.answers.put(f"{len(kept)} objects are kept, but not {', '.join(reasons)}")
        return 0x0000, None


OBJECTS = [(CTImageStorage, generate_uid(entropy_srcs=[str(number)])) for number in range(3)]


def on_the_same_association(archive_port, modality):
    """The modality stays until the answer has come."""
    with modality.ae.associate(
        HOST, archive_port, ae_title="ARCHIVE", evt_handlers=modality.handlers
    ) as assoc:
        for objects in (OBJECTS[:2], [*OBJECTS[:2], (CTImageStorage, "1.2.3")]):
            modality.request(assoc, objects)
            assoc.serve(timeout=30, until=lambda: not modality.transactions)
            print("modality:", modality.answers.get(timeout=30))


def on_a_new_association(archive_port, modality):
    """The modality has a server of its own, on which the answer comes, today or tomorrow."""
    with modality.ae.associate(HOST, archive_port, ae_title="ARCHIVE") as assoc:
        modality.request(assoc, OBJECTS)
    print("modality:", modality.answers.get(timeout=30))


def main():
    kept = {instance: sop_class for sop_class, instance in OBJECTS}
    modality = Modality()
    with modality.ae.start_server((HOST, 0), block=False, evt_handlers=modality.handlers) as listening:
        addresses = {"CT1": (HOST, listening.port)}
        for run, at_once in ((on_the_same_association, True), (on_a_new_association, False)):
            print(run.__name__.replace("_", " "))
            archive = Archive(kept, addresses, at_once=at_once)
            handlers = [(evt.EVT_N_ACTION, archive.handle_action)]
            reporter = Thread(target=archive.report_later)
            reporter.start()
            try:
                with archive.ae.start_server((HOST, 0), block=False, evt_handlers=handlers) as server:
                    run(server.port, modality)
            finally:
                archive.reports.put(None)
                reporter.join()
            print(f"archive: its reports were answered with {', '.join(archive.answers)}")


if __name__ == "__main__":
    main()

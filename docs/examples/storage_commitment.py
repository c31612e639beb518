"""Storage commitment (PS3.4 Annex J): an archive commits to objects before a modality deletes its own.

The answer is an N-EVENT-REPORT. It comes on the association of the request, or on a new one, which the
archive opens in the role of SCP.
"""

from __future__ import annotations

import logging
from collections import deque
from queue import Empty, Queue
from threading import Thread
from time import monotonic

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid

from dicomproto.services.sop_classes import StorageCommitmentPushModel, StorageCommitmentPushModelInstance
from dicomproto_transports import build_role
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"
REQUEST_COMMITMENT = 1  # Action Type ID, PS3.4 J.3.2
SUCCESS, FAILURES_EXIST = 1, 2  # Event Type IDs, PS3.4 J.3.3
NO_SUCH_OBJECT, CLASS_CONFLICT = 0x0112, 0x0119
FAILURE_REASONS = {  # PS3.3 C.14.1.1
    0x0110: "processing failure",
    NO_SUCH_OBJECT: "no such object instance",
    CLASS_CONFLICT: "class/instance conflict",
    0x0122: "SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}
TRIES = 3  # of a report, each on a new association

log = logging.getLogger("archive")


def reference(sop_class, sop_instance, failure_reason=None):
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_instance
    if failure_reason is not None:
        item.FailureReason = failure_reason
    return item


def is_reference(item):
    return bool(item.get("ReferencedSOPClassUID") and item.get("ReferencedSOPInstanceUID"))


# --- the archive: the SCP -----------------------------------------------------------------------


class Report:
    """A report for a modality; `due` is the time of the next try."""

    def __init__(self, title, event_type, information):
        self.title = title
        self.event_type = event_type
        self.information = information
        self.tries, self.due = 0, 0.0

    def __str__(self):
        return f"the report on {self.information.TransactionUID} to {self.title!r}"


class Archive:
    """Has the kept objects (SOP class by SOP instance), and the addresses of the modalities.

    It keeps the pending reports in memory. A product keeps them on disk before it answers. A report
    that could not be delivered is tried again after `retry_after` seconds.
    """

    def __init__(self, kept, modalities, *, at_once, retry_after=60):
        self.kept = kept
        self.modalities = modalities
        self.at_once = at_once
        self.retry_after = retry_after
        self.ae = AE(ae_title="ARCHIVE")
        self.ae.add_supported_context(StorageCommitmentPushModel)
        self.owed = {}  # reports for the association of the request, by association
        self.reports = Queue()  # reports for a new association
        self.answers = []

    def handlers(self):
        return [(evt.EVT_N_ACTION, self.handle_action), (evt.EVT_CONN_CLOSE, self.handle_close)]

    def handle_action(self, event):
        """Take a request for commitment; the report follows the response."""
        if event.request.RequestedSOPInstanceUID != StorageCommitmentPushModelInstance:
            return 0x0112, None  # no such SOP instance
        if event.action_type != REQUEST_COMMITMENT:
            return 0x0123, None  # no such action
        information = event.action_information
        asked = information.get("ReferencedSOPSequence")
        if not information.get("TransactionUID") or not asked or not all(map(is_reference, asked)):
            return 0x0115, None  # invalid argument value
        title = event.assoc.requestor.ae_title
        if not self.at_once and title not in self.modalities:
            # A success would promise a report (PS3.4 J.3.2.1.3), and there is no address for it. A report on
            # this association is promised to anyone: a modality that leaves before it deletes nothing.
            return 0x0124, None  # not authorized
        report = Report(title, *self.check(information))
        if self.at_once:
            self.owed.setdefault(event.assoc, set()).add(report)
            event.after_response(self.report_at_once, report)
        else:
            self.reports.put(report)
        return 0x0000, None

    def handle_close(self, event):
        """Put the reports that an ended association did not get into the queue for a new one.

        The modality may release right after the response to its request (PS3.4 J.3.3.1.2).
        """
        for report in self.owed.pop(event.assoc, ()):
            self.reports.put(report)

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

    def report_on(self, assoc, report):
        """Send a report on an association of either side; return whether the modality accepted it."""
        response, _ = assoc.send_n_event_report(
            report.information,
            report.event_type,
            StorageCommitmentPushModel,
            StorageCommitmentPushModelInstance,
        )
        self.answers.append(f"{response.Status:04X}")
        return response.Status == 0x0000

    def report_at_once(self, assoc, report):
        """Report on the association of the request; a failed report is kept until the association ends."""
        if self.report_on(assoc, report):
            self.owed[assoc].discard(report)

    def report_anew(self, report):
        """Send a report on a new association; return whether the modality accepted it."""
        address = self.modalities.get(report.title)
        if address is None:
            log.warning("%s: there is no address", report)
            return False
        is_taken = False
        try:
            with self.ae.associate(
                *address,
                contexts=[StorageCommitmentPushModel],
                ae_title=report.title,
                ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
            ) as assoc:
                is_taken = self.report_on(assoc, report)
        except Exception as error:  # the other reports are still to be sent
            log.warning("%s: %s", report, type(error).__name__)  # its text may quote the peer's values
        return is_taken

    def report_later(self):
        """Send the queued reports, each on a new association, until there is None."""
        failed = deque()  # all wait equally long, so the first is due first
        while True:
            wait = failed[0].due - monotonic() if failed else None
            try:
                report = failed.popleft() if failed and wait <= 0 else self.reports.get(timeout=wait)
            except Empty:
                continue
            if report is None:
                break
            if self.report_anew(report):
                continue
            report.tries += 1
            if report.tries < TRIES:
                report.due = monotonic() + self.retry_after
                failed.append(report)
            else:
                log.error("%s: given up after %d tries", report, TRIES)
        for report in failed:
            log.error("%s: given up at the end", report)


# --- a modality: the SCU ------------------------------------------------------------------------


def reason_of(item):
    reason = item.get("FailureReason")
    if reason is None:
        return "no failure reason"
    return FAILURE_REASONS.get(reason, f"failure reason {reason:04X}")


class Modality:
    """Asks for commitment, and keeps the requested objects until the report comes."""

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
            self.transactions.pop(information.TransactionUID, None)  # no report will come
        print(f"modality: the request was answered with {response.Status:04X}")
        return information.TransactionUID

    def handle_report(self, event):
        """Take the archive's report; an object is safe only if it is named as kept, and not as failed."""
        if event.event_type not in (SUCCESS, FAILURES_EXIST):
            return 0x0113, None  # no such event type
        report = event.event_information
        kept = {
            (item.get("ReferencedSOPClassUID"), item.get("ReferencedSOPInstanceUID"))
            for item in report.get("ReferencedSOPSequence") or ()
        }
        failed = {
            item.get("ReferencedSOPInstanceUID"): reason_of(item)
            for item in report.get("FailedSOPSequence") or ()
        }
        transaction = report.get("TransactionUID")
        asked = self.transactions.get(transaction, set())
        # A report shall have all objects (PS3.4 J.3.3.1.2), but before deleting do not rely on that.
        lost = sorted(pair[1] for pair in asked if pair not in kept or pair[1] in failed)
        if event.event_type == FAILURES_EXIST and not lost:
            return 0x0115, None  # invalid argument value: the report contradicts itself
        if self.transactions.pop(transaction, None) is None:
            return 0x0115, None  # nor is it for a pending transaction
        if lost:
            reasons = [f"{instance} ({failed.get(instance, 'not accounted for')})" for instance in lost]
            self.answers.put(f"{len(asked) - len(lost)} objects are kept, but not {', '.join(reasons)}")
        else:
            self.answers.put(f"all {len(asked)} objects are kept, they may be deleted here")
        return 0x0000, None


OBJECTS = [(CTImageStorage, generate_uid(entropy_srcs=[str(number)])) for number in range(3)]


def on_the_same_association(archive_port, modality):
    """The modality waits for the report on its own association."""
    with modality.ae.associate(
        HOST, archive_port, ae_title="ARCHIVE", evt_handlers=modality.handlers
    ) as assoc:
        for objects in (OBJECTS[:2], [*OBJECTS[:2], (CTImageStorage, "1.2.3")]):
            modality.request(assoc, objects)
            assoc.serve(timeout=30, until=lambda: not modality.transactions)
            print("modality:", modality.answers.get(timeout=30))


def on_a_new_association(archive_port, modality):
    """The modality has its own server, and the report comes there, today or tomorrow."""
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
            handlers = archive.handlers()
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

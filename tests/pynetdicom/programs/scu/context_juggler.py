"""Adds contexts, assigns contexts, removes some, and tries too many."""

import sys

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit
from pynetdicom import (
    AE,
    DEFAULT_TRANSFER_SYNTAXES,
    AllStoragePresentationContexts,
    QueryRetrievePresentationContexts,
    StoragePresentationContexts,
    VerificationPresentationContexts,
    build_context,
)
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification


def count(ae):
    return len(ae.requested_contexts), len(ae.supported_contexts)


ae = AE("JUGGLER")
ae.add_requested_context(Verification)
ae.requested_contexts = StoragePresentationContexts[:20]
print(count(ae), ae.requested_contexts[0].abstract_syntax.name)
ae.requested_contexts = VerificationPresentationContexts
print(count(ae))
ae.requested_contexts = []
ae.add_requested_context("1.2.840.10008.1.1", ImplicitVRLittleEndian)
ae.add_requested_context(CTImageStorage, [JPEGBaseline8Bit, ExplicitVRLittleEndian])
ae.add_requested_context(CTImageStorage, ImplicitVRLittleEndian)
print(count(ae), [len(cx.transfer_syntax) for cx in ae.requested_contexts])
ae.remove_requested_context(CTImageStorage, JPEGBaseline8Bit)
ae.remove_requested_context("1.2.3.4")
print(count(ae), [len(cx.transfer_syntax) for cx in ae.requested_contexts])

for broken in (
    lambda: setattr(ae, "requested_contexts", AllStoragePresentationContexts),
    lambda: setattr(ae, "requested_contexts", [CTImageStorage]),
    lambda: setattr(ae, "supported_contexts", ["x"]),
    lambda: [ae.add_requested_context(MRImageStorage) for _ in range(129)],
    lambda: ae.associate("127.0.0.1", int(sys.argv[1]), contexts=AllStoragePresentationContexts),
    lambda: AE().associate("127.0.0.1", int(sys.argv[1])),
    lambda: ae.associate(127, int(sys.argv[1])),
    lambda: ae.associate("127.0.0.1", sys.argv[1]),
    lambda: ae.associate("127.0.0.1", int(sys.argv[1]), ae_title="A TITLE THAT IS TOO LONG"),
):
    try:
        broken()
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        print(type(error).__name__, error)
print(count(ae))
ae.remove_requested_context(MRImageStorage)
print(count(ae))

ae.supported_contexts = QueryRetrievePresentationContexts
ae.add_supported_context(CTImageStorage, scp_role=True, scu_role=True)
ae.supported_contexts = [build_context(CTImageStorage, JPEGBaseline8Bit)]
print(count(ae), [(cx.scu_role, cx.scp_role, len(cx.transfer_syntax)) for cx in ae.supported_contexts[:1]])
for cx in ae.supported_contexts:
    cx.transfer_syntax = DEFAULT_TRANSFER_SYNTAXES
print({len(cx.transfer_syntax) for cx in ae.supported_contexts})
ae.supported_contexts = []
print(count(ae))

assoc = ae.associate("127.0.0.1", int(sys.argv[1]))
for cx in assoc.accepted_contexts:
    print(cx.context_id, cx.abstract_syntax, cx.transfer_syntax, cx.result, cx.as_tuple.transfer_syntax.name)
if assoc.is_established:
    status = assoc.send_c_echo()
    for number in (-1, 65536, "1") if status else ():
        try:
            print(assoc.send_c_echo(msg_id=number))
        except (TypeError, ValueError) as error:
            print(type(error).__name__, error)
    assoc.release()

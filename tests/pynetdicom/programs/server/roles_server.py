"""Sets roles on the contexts of the entity in a loop, and says what was made of them."""

import sys

from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification


def handle_accepted(event):
    assoc = event.assoc
    for cx in assoc.accepted_contexts:
        print(
            cx.context_id,
            cx.abstract_syntax.name,
            cx.transfer_syntax[0].name,
            cx.as_scu,
            cx.as_scp,
            flush=True,
        )
    print([(cx.abstract_syntax.name, cx.result) for cx in assoc.rejected_contexts], flush=True)
    requestor = assoc.requestor
    print({uid.keyword: (r.scu_role, r.scp_role) for uid, r in requestor.role_selection.items()}, flush=True)
    print([cx.abstract_syntax.keyword for cx in requestor.requested_contexts], flush=True)
    print(requestor.primitive.calling_ae_title, requestor.maximum_length, flush=True)


ae = AE(ae_title="ROLES")
ae.supported_contexts = StoragePresentationContexts
for cx in ae.supported_contexts:
    cx.scp_role = True
    cx.scu_role = cx.abstract_syntax == CTImageStorage
ae.add_supported_context(Verification)
print(
    {(cx.scu_role, cx.scp_role) for cx in ae.supported_contexts} - {(None, None)}
    == {(True, True), (False, True)}
)
print([cx.scu_role for cx in ae.supported_contexts if cx.abstract_syntax == MRImageStorage])
handlers = [(evt.EVT_ACCEPTED, handle_accepted), (evt.EVT_C_STORE, lambda event: 0x0000)]
for cx in ae.supported_contexts:
    if cx.abstract_syntax == Verification:
        cx.scp_role = True
try:
    ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=handlers)
except ValueError as error:
    print(str(error).splitlines()[0][:60])
for cx in ae.supported_contexts:
    if cx.abstract_syntax == Verification:
        cx.scp_role = None
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=handlers)

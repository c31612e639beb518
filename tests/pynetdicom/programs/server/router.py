"""Stores what comes, and forwards it at once to the next node; answers with what that says."""

import io
import sys
import traceback

from pydicom import dcmread
from pynetdicom import AE, StoragePresentationContexts, VerificationPresentationContexts, build_context, evt
from pynetdicom.sop_class import CTImageStorage

NEXT_PORT = int(sys.argv[2])


class Router:
    def __init__(self):
        self.ae = AE(ae_title="ROUTER")
        self.ae.supported_contexts = StoragePresentationContexts[:100] + VerificationPresentationContexts
        self.ae.add_supported_context(CTImageStorage, "1.2.840.10008.1.2.1")
        self.handlers = [
            (evt.EVT_C_STORE, self.on_store),
            (evt.EVT_C_ECHO, self.on_echo),
            (evt.EVT_ACCEPTED, self.on_accepted),
        ]

    def on_accepted(self, event):
        print("accepted", event.assoc.remote["ae_title"], len(event.assoc.accepted_contexts), flush=True)

    def on_echo(self, event):
        print("echo from", event.assoc.remote["ae_title"], event.context.abstract_syntax.name, flush=True)
        return 0x0000

    def on_store(self, event):
        try:
            whole = dcmread(io.BytesIO(event.encoded_dataset()))
            return self.forward(whole, event.assoc.requestor.ae_title)
        except Exception:
            traceback.print_exc()
            return 0xC001

    def forward(self, ds, calling):
        sender = AE(ae_title=calling)
        contexts = [build_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)]
        assoc = sender.associate("127.0.0.1", NEXT_PORT, contexts=contexts, ae_title="NEXT")
        if not assoc.is_established:
            print("next node does not take it", assoc.is_rejected, assoc.is_aborted, flush=True)
            return 0xA700
        status = assoc.send_c_store(ds)
        assoc.release()
        print("forwarded", status.get("Status"), ds.SOPClassUID.keyword, flush=True)
        return status.Status if status else 0xA700

    def run(self, port):
        self.ae.start_server(("", port), evt_handlers=self.handlers)


if __name__ == "__main__":
    Router().run(int(sys.argv[1]))
    print("router ends")

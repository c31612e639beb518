"""An association through a tunnel: any trio stream in place of the sockets that the flavour opens."""

from __future__ import annotations

import trio

from dicomproto.uids import VERIFICATION
from dicomproto_transports.trio import AE, BACKEND, wrap_stream


class Tunnel:
    """The flavour's backend, but for how it connects."""

    now = BACKEND.now
    checkpoint = BACKEND.checkpoint
    in_thread = BACKEND.in_thread

    async def connect(self, host, port, *, bind_address=None, deadline=None):
        # Whatever gives a trio stream: SSH, TLS with a policy of its own, a proxy.
        return wrap_stream(await trio.open_tcp_stream(host, port))


class TunnelAE(AE):
    backend = Tunnel()


async def main():
    scp = AE(ae_title="SCP")
    scp.add_supported_context(VERIFICATION)
    scu = TunnelAE(ae_title="SCU")
    scu.add_requested_context(VERIFICATION)
    async with (
        scp.start_server(("127.0.0.1", 0)) as server,
        scu.associate("127.0.0.1", server.port) as assoc,
    ):
        status = await assoc.send_c_echo()
        print(f"status {status.Status:04X}")


trio.run(main)

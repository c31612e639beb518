"""An association through a tunnel: any trio stream in place of the sockets that the flavour opens."""

from __future__ import annotations

from math import inf

import trio

from dicomproto.errors import ConnectionLost, TimedOut
from dicomproto.uids import VERIFICATION
from dicomproto_transports.trio import AE, BACKEND, evt, wrap_stream


class Tunnel:
    """The flavour's backend, but for how it connects."""

    now = BACKEND.now
    checkpoint = BACKEND.checkpoint
    current_task = BACKEND.current_task
    shield = BACKEND.shield
    in_thread = BACKEND.in_thread

    async def connect(self, host, port, *, bind_address=None, deadline=None):
        try:
            with trio.fail_at(inf if deadline is None else deadline):
                # Whatever gives a trio stream: SSH, TLS with a policy of its own, a proxy.
                stream = await trio.open_tcp_stream(host, port)
        except trio.TooSlowError:
            raise TimedOut(f"the tunnel to {host} port {port} takes too long", phase="connect") from None
        except OSError as error:
            raise ConnectionLost(f"no tunnel to {host} port {port}: {error}") from error
        return wrap_stream(stream)


class TunnelAE(AE):
    backend = Tunnel()


async def main():
    scp = AE(ae_title="SCP")
    scp.add_supported_context(VERIFICATION)
    scu = TunnelAE(ae_title="SCU")
    scu.add_requested_context(VERIFICATION)
    tell = [(evt.EVT_ESTABLISHED, lambda event: print("the association stands"))]
    async with (
        scp.start_server(("127.0.0.1", 0)) as server,
        scu.associate("127.0.0.1", server.port, evt_handlers=tell) as assoc,
    ):
        status = await assoc.send_c_echo()
        print(f"status {status.Status:04X}")


if __name__ == "__main__":
    trio.run(main)

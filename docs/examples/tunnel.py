"""An association through a tunnel: any trio stream in place of the flavour's own sockets."""

from __future__ import annotations

from math import inf

import trio

from dicomproto.uids import VERIFICATION
from dicomproto_transports.trio import AE, evt, wrap_stream


async def connect(host, port, *, bind_address, deadline):
    with trio.move_on_at(inf if deadline is None else deadline):
        # Open any trio stream here: SSH, TLS with its own policy, a proxy.
        return wrap_stream(await trio.open_tcp_stream(host, port))
    raise TimeoutError


async def main():
    scp = AE("SCP")
    scp.add_supported_context(VERIFICATION)
    scu = AE("SCU", connect=connect)
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

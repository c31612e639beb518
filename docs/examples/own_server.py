"""Associations on connections that a program accepted itself, with a server of asyncio."""

from __future__ import annotations

import asyncio

from anyio import EndOfStream
from anyio.abc import ByteStream, SocketAttribute

from dicomproto.uids import VERIFICATION
from dicomproto_transports.anyio import AE, evt, wrap_stream


class Accepted(ByteStream):
    """A connection of asyncio, as a byte stream of anyio."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def receive(self, max_bytes=65536):
        if data := await self.reader.read(max_bytes):
            return data
        raise EndOfStream

    async def send(self, item):
        self.writer.write(item)
        await self.writer.drain()

    async def send_eof(self):
        self.writer.write_eof()

    async def aclose(self):
        self.writer.close()

    @property
    def extra_attributes(self):  # for allowed_networks, limits and the log
        tell = self.writer.get_extra_info
        return {
            SocketAttribute.local_address: lambda: tell("sockname"),
            SocketAttribute.remote_address: lambda: tell("peername"),
        }


async def main():
    scp, scu = AE("SCP"), AE("SCU")
    scp.add_supported_context(VERIFICATION)
    scu.add_requested_context(VERIFICATION)
    handlers = [(evt.EVT_C_ECHO, lambda event: print("echo from", event.assoc.requestor.ae_title) or 0x0000)]
    served = asyncio.Event()

    async def accept(reader, writer):
        await scp.serve_stream(wrap_stream(Accepted(reader, writer)), evt_handlers=handlers)
        served.set()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        _, port = server.sockets[0].getsockname()
        async with scu.associate("127.0.0.1", port) as assoc:
            status = await assoc.send_c_echo()
            print(f"status {status.Status:04X}")
        await served.wait()
    print("served")


if __name__ == "__main__":
    asyncio.run(main())

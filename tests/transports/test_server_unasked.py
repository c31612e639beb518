"""A server that is shut down while somebody is connected who has not asked for an association yet."""

from __future__ import annotations

import pytest

from dicomproto.uids import VERIFICATION
from dicomproto.upper_layer.pdu import AssociateAC
from dicomproto_transports import evt
from tests.associations import connect, make_server
from tests.backends import AnyBackend


@pytest.mark.parametrize("said", [b"", b"\1\0\0\0"], ids=["nothing", "a part of a header"])
def test_it_is_closed_and_nothing_fails(
    backend: AnyBackend, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ended = []
    handlers: list[evt.Binding] = [(evt.EVT_CONN_CLOSE, lambda event: ended.append(event.event))]

    async def main() -> None:
        async with backend.serving(make_server(backend, handlers)) as server:
            silent = await connect(backend, server.port)
            if said:
                await silent.stream.send([said], None)
            other = await connect(backend, server.port)
            assert isinstance(await other.request(VERIFICATION), AssociateAC)  # so the first was accepted
            await other.close()
        assert await silent.stream.receive(silent.stream.now() + 10) == b""
        await silent.stream.close([], silent.stream.now())

    backend.run(main)
    assert len(ended) == 2
    assert [record.message for record in caplog.records if record.exc_info] == []

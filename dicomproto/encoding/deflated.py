"""Deflated data sets (PS3.5 A.5)."""

from __future__ import annotations

import zlib

from ..config import Limits
from ..errors import DataSetError, DataSetTooLarge
from ..upper_layer.pdu import Buffer

INFLATE_LIMIT = Limits().collect
"""Most bytes of an inflated data set, by default."""


def deflate(encoded: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = compressor.compress(encoded) + compressor.flush()
    return deflated + b"\0" if len(deflated) % 2 else deflated


def inflate(data: Buffer, limit: int) -> bytes:
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = decompressor.decompress(data, limit + 1)
    except zlib.error as error:
        raise DataSetError("the deflated data set cannot be inflated") from error
    if len(inflated) > limit:
        raise DataSetTooLarge(f"the deflated data set is larger than {limit} bytes")
    if not decompressor.eof:
        raise DataSetError("the deflated data set is incomplete")
    return inflated

"""pynetdicom's message provider are not imitated; importing this module raises ImportError."""

from __future__ import annotations

from ._internals import not_imitated

raise not_imitated(__name__, "`dicomproto.Connection`, or EVT_DIMSE_RECV and EVT_DIMSE_SENT")

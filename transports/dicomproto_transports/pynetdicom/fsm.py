"""pynetdicom's state machine are not imitated; importing this module raises ImportError."""

from __future__ import annotations

from ._internals import not_imitated

raise not_imitated(__name__, "EVT_FSM_TRANSITION, or `dicomproto.upper_layer` for the table")

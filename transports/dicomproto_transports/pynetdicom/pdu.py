"""The PDUs that handlers of EVT_PDU_RECV and EVT_PDU_SENT see, by pynetdicom's names.

They are those of `dicomproto`: immutable, with its fields.
"""

from __future__ import annotations

from dicomproto.upper_layer.pdu import Abort as A_ABORT_RQ
from dicomproto.upper_layer.pdu import AssociateAC as A_ASSOCIATE_AC
from dicomproto.upper_layer.pdu import AssociateRJ as A_ASSOCIATE_RJ
from dicomproto.upper_layer.pdu import AssociateRQ as A_ASSOCIATE_RQ
from dicomproto.upper_layer.pdu import PDataTF as P_DATA_TF
from dicomproto.upper_layer.pdu import ReleaseRP as A_RELEASE_RP
from dicomproto.upper_layer.pdu import ReleaseRQ as A_RELEASE_RQ

__all__ = [
    "A_ABORT_RQ",
    "A_ASSOCIATE_AC",
    "A_ASSOCIATE_RJ",
    "A_ASSOCIATE_RQ",
    "A_RELEASE_RP",
    "A_RELEASE_RQ",
    "P_DATA_TF",
]

"""SOP classes by UID and by keyword, the service class of each, and the requests it allows (PS3.4).

The tables hold the SOP classes of all service classes, retired storage included. Other SOP classes, such as
private ones, have no service class and allow any request, unless an application entity registers them in a
`SOPClassRegistry` of its own.

`from dicomproto.services.sop_classes import CTImageStorage` gives a UID by its keyword.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from types import MappingProxyType

from ..dimse.commands import COMMANDS, CFindRQ, CGetRQ, CMoveRQ, CStoreRQ, NActionRQ, NEventReportRQ, Request
from ..record import Record
from ..uids import is_valid_uid, normalize_uid
from ._sop_class_table import (
    INSTANCES,
    NON_PATIENT_OBJECT_STORAGE,
    OTHER_STORAGE,
    RETIRED_SERVICES,
    RETIRED_STORAGE,
    SERVICES,
    STORAGE,
)


class ServiceClass(Enum):
    """A service class of PS3.4; the value is its name there. Media Storage has no messages."""

    VERIFICATION = "Verification"
    STORAGE = "Storage"
    QUERY_RETRIEVE = "Query/Retrieve"
    PROCEDURE_STEP = "Procedure Step"
    PRINT_MANAGEMENT = "Print Management"
    MEDIA_STORAGE = "Media Storage"
    STORAGE_COMMITMENT = "Storage Commitment"
    BASIC_WORKLIST_MANAGEMENT = "Basic Worklist Management"
    APPLICATION_EVENT_LOGGING = "Application Event Logging"
    RELEVANT_PATIENT_INFORMATION_QUERY = "Relevant Patient Information Query"
    INSTANCE_AVAILABILITY_NOTIFICATION = "Instance Availability Notification"
    MEDIA_CREATION_MANAGEMENT = "Media Creation Management"
    HANGING_PROTOCOL_QUERY_RETRIEVE = "Hanging Protocol Query/Retrieve"
    SUBSTANCE_ADMINISTRATION_QUERY = "Substance Administration Query"
    COLOR_PALETTE_QUERY_RETRIEVE = "Color Palette Query/Retrieve"
    IMPLANT_TEMPLATE_QUERY_RETRIEVE = "Implant Template Query/Retrieve"
    UNIFIED_PROCEDURE_STEP = "Unified Procedure Step"
    RT_MACHINE_VERIFICATION = "RT Machine Verification"
    DISPLAY_SYSTEM_MANAGEMENT = "Display System Management"
    NON_PATIENT_OBJECT_STORAGE = "Non-Patient Object Storage"
    DEFINED_PROCEDURE_PROTOCOL_QUERY_RETRIEVE = "Defined Procedure Protocol Query/Retrieve"
    PROTOCOL_APPROVAL_QUERY_RETRIEVE = "Protocol Approval Query/Retrieve"
    INVENTORY_QUERY_RETRIEVE = "Inventory Query/Retrieve"
    STORAGE_MANAGEMENT = "Storage Management"


class SOPClass(Record):
    """A SOP class: its service class, and the requests that its presentation contexts carry.

    The `requests` of a meta SOP class are those of its members. `usage` is the usage of each request for
    SCU/SCP in PS3.4 (M or U); it is empty for registered and for meta SOP classes.
    """

    uid: str
    keyword: str
    service_class: ServiceClass | None
    requests: tuple[type[Request], ...]
    usage: str = ""

    members: tuple[str, ...] = ()
    """UIDs of the SOP classes that a meta SOP class stands for."""

    instance_class: str = ""
    """UID of the SOP class that requests name, if their instances belong to another SOP class."""

    action_types: tuple[int, ...] = ()
    """The Action Type IDs of its N-ACTION; empty for any."""

    event_types: tuple[int, ...] = ()
    """The Event Type IDs of its N-EVENT-REPORT; empty for any."""

    def types_of(self, request: type[Request]) -> tuple[int, ...]:
        """Return the Action or Event Type IDs that a request may have; empty for any type or no type."""
        if request is NActionRQ:
            return self.action_types
        return self.event_types if request is NEventReportRQ else ()

    def carries(self, request: type[Request], type_id: int | None = None) -> bool:
        """Tell whether a context of this SOP class carries a request, of that type if one is given."""
        types = self.types_of(request)
        return request in self.requests and (type_id is None or not types or type_id in types)

    @property
    def scu_requests(self) -> tuple[type[Request], ...]:
        """The requests of the SCU."""
        return tuple(kind for kind in self.requests if kind is not NEventReportRQ)

    @property
    def scp_requests(self) -> tuple[type[Request], ...]:
        """The requests of the SCP: notifications."""
        return tuple(kind for kind in self.requests if kind is NEventReportRQ)


# The service classes themselves, as item 57H names them (PS3.7 D.3.3.6).
_SERVICE_CLASS_UIDS = {
    "1.2.840.10008.4.2": ServiceClass.STORAGE,
    "1.2.840.10008.5.1.4.34.6": ServiceClass.UNIFIED_PROCEDURE_STEP,
}

# Names that other libraries use in place of the keywords of PS3.6.
_ALIASES = {
    "ColorPaletteInformationModelFind": "1.2.840.10008.5.1.4.39.2",
    "ColorPaletteInformationModelGet": "1.2.840.10008.5.1.4.39.4",
    "ColorPaletteInformationModelMove": "1.2.840.10008.5.1.4.39.3",
    "ModalityWorklistInformationFind": "1.2.840.10008.5.1.4.31",
    "OphthlamicOpticalCoherenceTomographyBscanVolumeAnalysisStorage": "1.2.840.10008.5.1.4.1.1.77.1.5.8",
    "PseudoColorSoftcopyPresentationStageStorage": "1.2.840.10008.5.1.4.1.1.11.3",
    "RTBrachyApplicationSetupDeliveryInstructionsStorage": "1.2.840.10008.5.1.4.34.10",
    "RoboticArmRadiationRecordStorage": "1.2.840.10008.5.1.4.1.1.481.20",
    "VariableModalityLUTSoftcopyPresentationStageStorage": "1.2.840.10008.5.1.4.1.1.11.12",
}

# "C-FIND" -> its request
_REQUESTS: dict[str, type[Request]] = {
    kind.name.removesuffix("-RQ"): kind for kind in COMMANDS.values() if issubclass(kind, Request)
}


# --- the tables, read on first use ---------------------------------------------------------


@cache
def _rows() -> dict[str, tuple[str, ServiceClass]]:
    """Return UID -> keyword and service class of every SOP class in the tables."""
    rows = {}
    for table in (STORAGE, OTHER_STORAGE, RETIRED_STORAGE):
        rows.update({uid: (keyword, ServiceClass.STORAGE) for uid, keyword in table.items()})
    for uid, keyword in NON_PATIENT_OBJECT_STORAGE.items():
        rows[uid] = keyword, ServiceClass.NON_PATIENT_OBJECT_STORAGE
    for groups in (SERVICES, RETIRED_SERVICES):
        for name, table in groups.items():
            rows.update({uid: (keyword, ServiceClass[name]) for uid, keyword in table.items()})
    return rows


@cache
def _uids() -> dict[str, str]:
    """Return keyword -> UID."""
    known = {keyword: uid for uid, (keyword, _) in _rows().items()}
    return {**_ALIASES, **{keyword: uid for uid, keyword in INSTANCES.items()}, **known}


_made: dict[str, SOPClass] = {}  # the SOP classes of the tables that were asked for


def sop_class(uid: str) -> SOPClass | None:
    """Return a SOP class by its UID, or None if the tables do not name it."""
    known = _made.get(uid)
    if known is None:
        uid = normalize_uid(uid)
        row = _rows().get(uid)
        if row is None:
            return None
        known = _made[uid] = _make(uid, *row)
    return known


def _make(uid: str, keyword: str, service_class: ServiceClass) -> SOPClass:
    from . import _usage  # on first use: a part of the import time

    usage = _usage.BY_KEYWORD.get(keyword, _usage.BY_SERVICE_CLASS.get(service_class.name))
    if usage is None:
        usage = next(text for word, text in _usage.BY_LAST_WORD.items() if keyword.endswith(word))
    types = _usage.TYPES.get(keyword, {})
    members = tuple(_uids()[member] for member in _usage.MEMBERS.get(keyword, ()))
    requests = dict.fromkeys(_REQUESTS[part.split()[0]] for part in usage.split(", ") if part)
    for member in members:
        requests.update(dict.fromkeys(_make(member, *_rows()[member]).requests))
    return SOPClass(
        uid=uid,
        keyword=keyword,
        service_class=service_class,
        requests=tuple(requests),
        usage=usage,
        members=members,
        instance_class=_uids().get(_usage.INSTANCE_CLASS.get(keyword, ""), ""),
        action_types=types.get("N-ACTION", ()),
        event_types=types.get("N-EVENT-REPORT", ()),
    )


@cache
def _any_of(service_class: ServiceClass) -> SOPClass:
    """Return a stand-in for a SOP class of which only the service class is known."""
    requests: dict[type[Request], None] = {}
    for uid in sop_class_uids(service_class):
        known = sop_class(uid)
        requests.update(dict.fromkeys(known.requests if known else ()))
    return SOPClass(uid="", keyword="", service_class=service_class, requests=tuple(requests))


def carriers_of(uid: str) -> Mapping[str, int]:
    """Return the SOP classes whose contexts carry requests that name `uid`, each with its distance.

    The distance is 0 for `uid` itself, 1 for a class that deals with its instances, and 2 for a meta SOP
    class with it as a member.
    """
    known = sop_class(uid)
    return {uid: 0} if known is None else _carriers(known.uid, known.keyword)


@cache
def _carriers(uid: str, keyword: str) -> Mapping[str, int]:
    from . import _usage

    near = [other for other, instances in _usage.INSTANCE_CLASS.items() if instances == keyword]
    metas = [meta for meta, members in _usage.MEMBERS.items() if keyword in members]
    uids = _uids()
    return {uid: 0} | {uids[other]: 1 for other in near} | {uids[meta]: 2 for meta in metas}


def sop_class_uids(service_class: ServiceClass) -> tuple[str, ...]:
    """Return the UIDs of the SOP classes of a service class, retired ones included."""
    return tuple(uid for uid, row in _rows().items() if row[1] is service_class)


def storage_sop_classes() -> tuple[str, ...]:
    """Return the UIDs of all SOP classes that are transferred with C-STORE, retired ones included."""
    return (*STORAGE, *NON_PATIENT_OBJECT_STORAGE, *OTHER_STORAGE, *RETIRED_STORAGE)


# --- what one application entity knows ----------------------------------------------------------


class SOPClassRegistry(Record):
    """The SOP classes that an application entity knows: those of the standard, and its own.

    `unknown` is the service class of all other SOP classes; None lets every request for them pass.
    """

    registered: Mapping[str, SOPClass] = MappingProxyType({})
    unknown: ServiceClass | None = None

    def find(self, uid: str, service_class_uid: str = "") -> SOPClass | None:
        """Return a SOP class, or None if nothing is known of it.

        `service_class_uid`, from common extended negotiation, may name the service class of a SOP class that
        is in no table.
        """
        known = self.registered.get(uid) if self.registered else None
        known = known or sop_class(uid)
        if known is None and (service_class_uid or self.unknown or uid in _SERVICE_CLASS_UIDS):
            named = _SERVICE_CLASS_UIDS.get(service_class_uid) or _SERVICE_CLASS_UIDS.get(uid)
            service_class = named or self.unknown
            return None if service_class is None else _any_of(service_class)
        return known

    def name_of(self, uid: str) -> str:
        """Return the keyword of a SOP class or well-known SOP instance, or its UID if it has none."""
        known = self.registered.get(uid)
        return known.keyword if known is not None else keyword_of(uid) or uid

    def is_storage(self, uid: str) -> bool:
        """Tell whether objects of a SOP class are transferred with C-STORE, as far as is known."""
        known = self.find(uid)
        return known is not None and CStoreRQ in known.requests

    def with_sop_class(
        self,
        uid: str,
        keyword: str,
        service_class: ServiceClass | Iterable[type[Request]],
        dimse_msg_type: str = "",
    ) -> SOPClassRegistry:
        """Return a registry with one SOP class more, given its service class or the requests that it allows.

        `dimse_msg_type` ("C-FIND", ...) chooses one of the requests of the service class. It is mandatory for
        query and retrieve, which have a SOP class for each request. Raises TypeError or ValueError.
        """
        texts: dict[str, object] = {"uid": uid, "keyword": keyword, "dimse_msg_type": dimse_msg_type}
        for field, value in texts.items():
            if not isinstance(value, str):
                raise TypeError(f"{field}: must be text, not {type(value).__name__}")
        uid = normalize_uid(uid)
        if not is_valid_uid(uid):
            raise ValueError(f"uid: {uid!r:.80} is no valid UID (PS3.5 9.1)")
        if not keyword.strip():
            raise ValueError("keyword: must be the name of the SOP class, as errors and logs show it")
        if not isinstance(service_class, ServiceClass):
            given: object = service_class
            requests, service = tuple(service_class) if isinstance(given, Iterable) else (), None
            if not requests or not all(kind in _REQUESTS.values() for kind in requests):
                raise ValueError(f"{keyword}: a ServiceClass or classes of requests, such as CStoreRQ")
        else:
            requests, service = _any_of(service_class).requests, service_class
        if dimse_msg_type:
            chosen = _REQUESTS.get(dimse_msg_type)
            if chosen not in requests:
                raise ValueError(f"{dimse_msg_type} is no operation of {service or keyword}")
            requests = (chosen,)
        elif service is not None and len(requests) > 1 and set(requests) <= {CFindRQ, CGetRQ, CMoveRQ}:
            raise ValueError(f"a SOP class of {service} has one operation: give its dimse_msg_type")
        known = SOPClass(uid=uid, keyword=keyword, service_class=service, requests=requests)
        return self.replace(registered=MappingProxyType({**self.registered, uid: known}))


STANDARD = SOPClassRegistry()
"""The SOP classes of the standard only."""


# --- questions about one UID ---------------------------------------------------------------------


def service_class_of(uid: str) -> ServiceClass | None:
    """Return the service class of a SOP class, or None if the tables do not name it."""
    known = STANDARD.find(normalize_uid(uid))
    return None if known is None else known.service_class


def allowed_requests(uid: str) -> tuple[type[Request], ...] | None:
    """Return the requests that a SOP class allows, or None if the tables do not name it."""
    known = STANDARD.find(normalize_uid(uid))
    return None if known is None else known.requests


def is_storage(uid: str) -> bool:
    """Tell whether objects of a SOP class are transferred with C-STORE, as far as the tables say."""
    return STANDARD.is_storage(normalize_uid(uid))


def keyword_of(uid: str) -> str | None:
    """Return the keyword of a SOP class or well-known SOP instance (PS3.6), or None if it has none."""
    uid = normalize_uid(uid)
    row = _rows().get(uid)
    return INSTANCES.get(uid) if row is None else row[0]


def uid_of(keyword: str) -> str | None:
    """Return the UID of a SOP class or well-known SOP instance by its keyword.

    Keywords that end with "SOPClass" or "SOPInstance" are known too.
    """
    keyword = keyword.removesuffix("SOPClass")
    if keyword.endswith("SOPInstance"):
        keyword = keyword.removesuffix("SOPInstance") + "Instance"
    return _uids().get(keyword)


def keywords() -> list[str]:
    """Return the keywords of all SOP classes and well-known SOP instances."""
    return list(_uids())


def __getattr__(name: str) -> str:
    uid = uid_of(name)
    if uid is None:
        raise AttributeError(f"module {__name__!r} has no SOP class {name!r}")
    return uid

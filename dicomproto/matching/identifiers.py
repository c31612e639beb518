"""Identifiers of an SCU, made of keywords and Python values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from ..datasets import name_character_set
from ..errors import DataSetError
from ..quiet import Quiet
from .key_values import fault_of, is_number
from .values import DATE_VRS, date_text, element_of

_STEP = (
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "Modality",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription",
    "ScheduledStationName",
    "ScheduledProcedureStepLocation",
    "ScheduledProtocolCodeSequence",
    "PreMedication",
    "ScheduledProcedureStepID",
    "RequestedContrastAgent",
    "ScheduledProcedureStepStatus",
)
"""The attributes of an item of Scheduled Procedure Step Sequence."""

WORKLIST_RETURN_KEYS = (
    *_STEP,
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
    "StudyInstanceUID",
    "ReferencedStudySequence",
    "RequestedProcedurePriority",
    "PatientTransportArrangements",
    "AccessionNumber",
    "RequestingPhysician",
    "ReferringPhysicianName",
    "AdmissionID",
    "CurrentPatientLocation",
    "ReferencedPatientSequence",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientWeight",
    "ConfidentialityConstraintOnPatientDataDescription",
    "PatientState",
    "PregnancyStatus",
    "MedicalAlerts",
    "Allergies",
    "SpecialNeeds",
)
"""Return keys of a modality worklist: those of types 1 and 2 in PS3.4 Table K.6-1, and more."""


def make_identifier(**keys: object) -> Dataset:
    """Return an identifier with a key for each DICOM keyword, in the order of their tags.

    None asks for the attribute with any value (universal matching). A list has several values, such as UIDs.
    A tuple of two is a range of DA, TM or DT, with None for an open end. Dates, times and datetimes are
    written in the format of the VR, datetimes with a time zone in UTC. A mapping, or a Dataset, is the item
    of a sequence. Text may have the wild cards `*` and `?`, and ranges as in PS3.4 C.2.2.2.5.

    Specific Character Set is UTF-8 if some text needs it, unless it is among the keys. Raises DataSetError
    for an unknown keyword, for a value that is not valid for the VR, such as an impossible date, and for text
    that the given character set does not have::

        make_identifier(
            QueryRetrieveLevel="STUDY",
            PatientName="DOE^J*",
            StudyDate=(date(2024, 1, 1), None),
            StudyInstanceUID=None,
        )
    """
    identifier = Dataset()
    with Quiet():
        _fill(identifier, keys)
    name_character_set(identifier)
    return identifier


def worklist_query(*, return_keys: Iterable[str] = WORKLIST_RETURN_KEYS, **keys: object) -> Dataset:
    """Return an identifier for a modality worklist (PS3.4 K.6) that asks for `return_keys`.

    Keys are as in `make_identifier`; the keys of a scheduled procedure step go into the item of its sequence.
    Raises DataSetError as `make_identifier` does::

        worklist_query(ScheduledStationAETitle="CT1", ScheduledProcedureStepStartDate=(today, today))
    """
    wanted = dict.fromkeys(return_keys) | keys
    if "ScheduledProcedureStepSequence" in wanted:
        raise DataSetError("the keys of a scheduled procedure step are given by their own keywords")
    step = {keyword: wanted.pop(keyword) for keyword in _STEP if keyword in wanted}
    return make_identifier(**wanted, ScheduledProcedureStepSequence=step)


def _fill(dataset: Dataset, keys: Mapping[str, object]) -> None:
    for keyword, value in keys.items():
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise DataSetError(f"{keyword!r} is not a keyword of the data dictionary")
        vr = dictionary_VR(tag)
        values = _items(value) if vr == "SQ" else _values(vr, value)
        texts = [one for one in values if isinstance(one, str)]
        fault = next(filter(None, (fault_of(vr, text) for text in texts)), None)
        if fault is not None:
            raise DataSetError(f"{keyword} cannot have this value: {fault}")
        try:
            if vr in ("DS", "IS") and not all(map(is_number, texts)):
                dataset[tag] = DataElement(tag, vr, "\\".join(map(str, values)), already_converted=True)
            else:
                dataset[tag] = element_of(tag, vr, values)
        except Exception as error:  # a value of the wrong type may make pydicom raise anything
            raise DataSetError(f"{keyword} cannot have this value: {type(error).__name__}") from None


def _items(value: Any) -> list[Dataset]:
    items = []
    for one in [value] if isinstance(value, (Mapping, Dataset)) else value or ():
        if isinstance(one, Dataset):
            items.append(one)
        else:
            items.append(Dataset())
            _fill(items[-1], one)
    return items


def _values(vr: str, value: object) -> list[Any]:
    if vr in DATE_VRS and isinstance(value, tuple) and len(value) == 2:
        start, end = (_text(vr, one) or "" for one in value)
        return [f"{start}-{end}"] if start or end else []
    values = value if isinstance(value, (list, tuple)) else [value]
    return [_text(vr, one) for one in values if one is not None]


def _text(vr: str, value: object) -> object:
    return date_text(value, vr) if isinstance(value, (date, time)) and vr in DATE_VRS else value

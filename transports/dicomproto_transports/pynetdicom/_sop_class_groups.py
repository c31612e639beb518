"""The SOP classes of each service class, keyword -> UID, with the keywords of pynetdicom."""

from __future__ import annotations

from dicomproto.services import _sop_class_table as tables
from dicomproto.services import uid_of

_SPELLINGS = (
    "ColorPaletteInformationModelFind",
    "ColorPaletteInformationModelGet",
    "ColorPaletteInformationModelMove",
    "ModalityWorklistInformationFind",
    "OphthlamicOpticalCoherenceTomographyBscanVolumeAnalysisStorage",
    "PseudoColorSoftcopyPresentationStageStorage",
    "RTBrachyApplicationSetupDeliveryInstructionsStorage",
    "RoboticArmRadiationRecordStorage",
    "VariableModalityLUTSoftcopyPresentationStageStorage",
)
"""pynetdicom's own keywords of SOP classes, where they differ from those of PS3.6."""

_KEYWORDS = {uid_of(keyword): keyword for keyword in _SPELLINGS}


def _group(table: dict[str, str]) -> dict[str, str]:
    """Return keyword -> UID, with the keywords of pynetdicom."""
    return {_KEYWORDS.get(uid, keyword): uid for uid, keyword in table.items()}


GROUPS: dict[str, dict[str, str]] = {
    "APPLICATION_EVENT": _group(tables.SERVICES["APPLICATION_EVENT_LOGGING"]),
    "BASIC_WORKLIST": _group(tables.SERVICES["BASIC_WORKLIST_MANAGEMENT"]),
    "COLOR_PALETTE": _group(tables.SERVICES["COLOR_PALETTE_QUERY_RETRIEVE"]),
    "DEFINED_PROCEDURE": _group(tables.SERVICES["DEFINED_PROCEDURE_PROTOCOL_QUERY_RETRIEVE"]),
    "DISPLAY_SYSTEM": _group(tables.SERVICES["DISPLAY_SYSTEM_MANAGEMENT"]),
    "HANGING_PROTOCOL": _group(tables.SERVICES["HANGING_PROTOCOL_QUERY_RETRIEVE"]),
    "IMPLANT_TEMPLATE": _group(tables.SERVICES["IMPLANT_TEMPLATE_QUERY_RETRIEVE"]),
    "INSTANCE_AVAILABILITY": _group(tables.SERVICES["INSTANCE_AVAILABILITY_NOTIFICATION"]),
    "INVENTORY": _group(tables.SERVICES["INVENTORY_QUERY_RETRIEVE"]),
    "MEDIA_CREATION": _group(tables.SERVICES["MEDIA_CREATION_MANAGEMENT"]),
    "MEDIA_STORAGE": _group(tables.SERVICES["MEDIA_STORAGE"]),
    "NON_PATIENT_OBJECT": _group(tables.NON_PATIENT_OBJECT_STORAGE),
    "PRINT_MANAGEMENT": _group(tables.SERVICES["PRINT_MANAGEMENT"]),
    "PROCEDURE_STEP": _group(tables.SERVICES["PROCEDURE_STEP"]),
    "PROTOCOL_APPROVAL": _group(tables.SERVICES["PROTOCOL_APPROVAL_QUERY_RETRIEVE"]),
    "QR": _group(tables.SERVICES["QUERY_RETRIEVE"]),
    "RELEVANT_PATIENT_QUERY": _group(tables.SERVICES["RELEVANT_PATIENT_INFORMATION_QUERY"]),
    "RT_MACHINE_VERIFICATION": _group(tables.SERVICES["RT_MACHINE_VERIFICATION"]),
    "STORAGE": _group(tables.STORAGE),
    "STORAGE_COMMITMENT": _group(tables.SERVICES["STORAGE_COMMITMENT"]),
    "STORAGE_MANAGEMENT": _group(tables.SERVICES["STORAGE_MANAGEMENT"]),
    "SUBSTANCE_ADMINISTRATION": _group(tables.SERVICES["SUBSTANCE_ADMINISTRATION_QUERY"]),
    "UNIFIED_PROCEDURE_STEP": _group(tables.SERVICES["UNIFIED_PROCEDURE_STEP"]),
    "VERIFICATION": _group(tables.SERVICES["VERIFICATION"]),
}
"""By the name of the group; `register_uid` adds to them."""

"""Write `dicomproto/services/_sop_class_table.py` from the UID dictionary of pydicom and the tables below.

Run it with `python tests/services/generate_sop_classes.py > dicomproto/services/_sop_class_table.py`
when pydicom's dictionary has grown.
"""

from __future__ import annotations

import re
import sys

import pydicom
from pydicom._uid_dict import UID_dictionary

# PS3.6 has these, pydicom's dictionary not yet.
SUPPLEMENT = {
    "1.2.840.10008.5.1.4.1.1.9.100.1": "WaveformPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "WaveformAcquisitionPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.66.7": "LabelMapSegmentationStorage",
    "1.2.840.10008.5.1.4.1.1.66.8": "HeightMapSegmentationStorage",
}
SYNTAX_SUPPLEMENT = {
    "1.2.840.10008.1.2.4.110": "JPEGXLLossless",
    "1.2.840.10008.1.2.4.111": "JPEGXLJPEGRecompression",
    "1.2.840.10008.1.2.4.112": "JPEGXL",
    "1.2.840.10008.1.2.8.1": "DeflatedImageFrameCompression",
}

# PS3.4 Table GG.3-1
NON_PATIENT_OBJECTS = """
    CTDefinedProcedureProtocolStorage ProtocolApprovalStorage XADefinedProcedureProtocolStorage
    InventoryStorage HangingProtocolStorage ColorPaletteStorage GenericImplantTemplateStorage
    ImplantAssemblyTemplateStorage ImplantTemplateGroupStorage
"""

# By the name of the service class in `ServiceClass`; the storage classes are found by their keywords.
SERVICES = {
    "VERIFICATION": "Verification",  # PS3.4 A
    "QUERY_RETRIEVE": """
        RepositoryQuery
        PatientRootQueryRetrieveInformationModel{Find,Move,Get}
        StudyRootQueryRetrieveInformationModel{Find,Move,Get}
        PatientStudyOnlyQueryRetrieveInformationModel{Find,Move,Get}
        CompositeInstanceRootRetrieve{Move,Get}
        CompositeInstanceRetrieveWithoutBulkDataGet
    """,  # C, Y, Z
    "PROCEDURE_STEP": """
        ModalityPerformedProcedureStep
        ModalityPerformedProcedureStepRetrieve
        ModalityPerformedProcedureStepNotification
    """,  # F
    "PRINT_MANAGEMENT": """
        BasicFilmSession BasicFilmBox BasicGrayscaleImageBox BasicColorImageBox PrintJob
        BasicAnnotationBox Printer PrinterConfigurationRetrieval PresentationLUT
        BasicGrayscalePrintManagementMeta BasicColorPrintManagementMeta
    """,  # H
    "MEDIA_STORAGE": "MediaStorageDirectoryStorage",  # I
    "STORAGE_COMMITMENT": "StorageCommitmentPushModel",  # J
    "BASIC_WORKLIST_MANAGEMENT": "ModalityWorklistInformationModelFind",  # K
    "APPLICATION_EVENT_LOGGING": "ProceduralEventLogging SubstanceAdministrationLogging",  # P
    "RELEVANT_PATIENT_INFORMATION_QUERY": """
        GeneralRelevantPatientInformationQuery
        BreastImagingRelevantPatientInformationQuery
        CardiacRelevantPatientInformationQuery
    """,  # Q
    "INSTANCE_AVAILABILITY_NOTIFICATION": "InstanceAvailabilityNotification",  # R
    "MEDIA_CREATION_MANAGEMENT": "MediaCreationManagement",  # S
    "HANGING_PROTOCOL_QUERY_RETRIEVE": "HangingProtocolInformationModel{Find,Move,Get}",  # U
    "SUBSTANCE_ADMINISTRATION_QUERY": "ProductCharacteristicsQuery SubstanceApprovalQuery",  # V
    "COLOR_PALETTE_QUERY_RETRIEVE": "ColorPaletteQueryRetrieveInformationModel{Find,Move,Get}",  # X
    "IMPLANT_TEMPLATE_QUERY_RETRIEVE": """
        GenericImplantTemplateInformationModel{Find,Move,Get}
        ImplantAssemblyTemplateInformationModel{Find,Move,Get}
        ImplantTemplateGroupInformationModel{Find,Move,Get}
    """,  # BB
    "UNIFIED_PROCEDURE_STEP": "UnifiedProcedureStep{Push,Pull,Watch,Event,Query}",  # CC
    "RT_MACHINE_VERIFICATION": "RTConventionalMachineVerification RTIonMachineVerification",  # DD
    "DISPLAY_SYSTEM_MANAGEMENT": "DisplaySystem",  # EE
    "DEFINED_PROCEDURE_PROTOCOL_QUERY_RETRIEVE": "DefinedProcedureProtocolInformationModel{Find,Move,Get}",
    "PROTOCOL_APPROVAL_QUERY_RETRIEVE": "ProtocolApprovalInformationModel{Find,Move,Get}",  # II
    "INVENTORY_QUERY_RETRIEVE": "Inventory{Find,Move,Get}",  # JJ
    "STORAGE_MANAGEMENT": "InventoryCreation",  # KK
}
# In PS3.6 still, but out of PS3.4.
RETIRED_SERVICES = {"PRINT_MANAGEMENT": "VOILUTBox"}

# Those that DCMTK's tools propose by default, 120 of them; they leave room for other contexts.
COMMON_STORAGE = """
    ComputedRadiographyImageStorage
    Digital{,Mammography,IntraOral}XRayImageStorageFor{Presentation,Processing}
    {,Enhanced,LegacyConvertedEnhanced}{CT,MR}ImageStorage EnhancedMRColorImageStorage MRSpectroscopyStorage
    Ultrasound{,MultiFrame}ImageStorage EnhancedUSVolumeStorage
    SecondaryCaptureImageStorage
    MultiFrame{SingleBit,GrayscaleByte,GrayscaleWord,TrueColor}SecondaryCaptureImageStorage
    {TwelveLeadECG,GeneralECG,AmbulatoryECG,Hemodynamic,CardiacElectrophysiology}WaveformStorage
    {BasicVoiceAudio,GeneralAudio,ArterialPulse,Respiratory}WaveformStorage
    {Grayscale,Color,PseudoColor,Blending,XAXRFGrayscale}SoftcopyPresentationStateStorage
    XRay{Angiographic,Radiofluoroscopic}ImageStorage Enhanced{XA,XRF}ImageStorage
    XRay3D{Angiographic,Craniofacial}ImageStorage BreastTomosynthesisImageStorage
    IntravascularOpticalCoherenceTomographyImageStorageFor{Presentation,Processing}
    NuclearMedicineImageStorage RawDataStorage RealWorldValueMappingStorage
    SpatialRegistrationStorage SpatialFiducialsStorage DeformableSpatialRegistrationStorage
    SegmentationStorage SurfaceSegmentationStorage SurfaceScan{Mesh,PointCloud}Storage
    VL{Endoscopic,Microscopic,SlideCoordinatesMicroscopic,Photographic}ImageStorage
    Video{Endoscopic,Microscopic,Photographic}ImageStorage VLWholeSlideMicroscopyImageStorage
    Ophthalmic{Photography8Bit,Photography16Bit,Tomography}ImageStorage StereometricRelationshipStorage
    {Lensometry,Autorefraction,Keratometry,SubjectiveRefraction,VisualAcuity,OphthalmicAxial}MeasurementsStorage
    SpectaclePrescriptionReportStorage IntraocularLensCalculationsStorage OphthalmicThicknessMapStorage
    MacularGridThicknessAndVolumeReportStorage OphthalmicVisualFieldStaticPerimetryMeasurementsStorage
    {BasicText,Enhanced,Comprehensive,Comprehensive3D,MammographyCAD,ChestCAD,ColonCAD}SRStorage
    XRayRadiationDoseSRStorage ImplantationPlanSRStorage ProcedureLogStorage KeyObjectSelectionDocumentStorage
    Encapsulated{PDF,CDA}Storage BasicStructuredDisplayStorage
    PositronEmissionTomographyImageStorage {Enhanced,LegacyConvertedEnhanced}PETImageStorage
    RT{Image,Dose,StructureSet,Plan,IonPlan,BeamsDeliveryInstruction}Storage
    RT{Beams,Brachy,IonBeams}TreatmentRecordStorage RTTreatmentSummaryRecordStorage

    StoredPrintStorage Hardcopy{Grayscale,Color}ImageStorage XRayAngiographicBiPlaneImageStorage
    {UltrasoundMultiFrame,NuclearMedicine,Ultrasound}ImageStorageRetired
    Standalone{Overlay,Curve,ModalityLUT,VOILUT,PETCurve}Storage VL{,MultiFrame}ImageStorageTrial
"""

# PS3.6 Table A-1
INSTANCES = """
    DisplaySystemInstance PrinterConfigurationRetrievalInstance PrinterInstance
    ProceduralEventLoggingInstance StorageCommitmentPushModelInstance StorageManagementInstance
    SubstanceAdministrationLoggingInstance UPSFilteredGlobalSubscriptionInstance
    UPSGlobalSubscriptionInstance
"""

STORAGE_KEYWORD = re.compile(r"Storage(ForPresentation|ForProcessing|Retired|Trial)?$")
BRACES = re.compile(r"(.*?)\{(.*?)\}(.*)")

NOT_NETWORKED = "1.2.840.10008.1.2.1.98"  # Encapsulated Uncompressed: in files alone
BIG_ENDIAN = "1.2.840.10008.1.2.2"  # retired, and yet the default of many

HEADER = f'''"""SOP classes and transfer syntaxes: UID -> keyword (PS3.6 Table A-1). Generated; do not edit.

Written by tests/services/generate_sop_classes.py from pydicom {pydicom.__version__}.
"""

from __future__ import annotations
'''


def expand(text: str) -> list[str]:
    """Return the words of `text`, each with its {a,b} written out."""
    words = text.split()
    while found := next(filter(BRACES.match, words), None):
        head, choices, tail = BRACES.fullmatch(found).groups()  # type: ignore[union-attr]
        place = words.index(found)
        words[place : place + 1] = [head + choice + tail for choice in choices.split(",")]
    return words


def named(keywords: str, kind: str) -> dict[str, str]:
    """Return UID -> keyword of what the dictionary names so."""
    known = {row[4]: uid for uid, row in UID_dictionary.items() if row[1] in (kind, f"Meta {kind}")}
    return {known[keyword]: keyword for keyword in expand(keywords)}


def storage() -> dict[str, dict[str, str]]:
    """Return the storage SOP classes by the name of their table, which their keywords tell."""
    groups: dict[str, dict[str, str]] = {
        "STORAGE": dict(SUPPLEMENT),
        "NON_PATIENT_OBJECT_STORAGE": {},
        "OTHER_STORAGE": {},
        "RETIRED_STORAGE": {},
    }
    for uid, (_, kind, info, retired, keyword) in UID_dictionary.items():
        if kind != "SOP Class" or not STORAGE_KEYWORD.search(keyword) or keyword in SERVICES["MEDIA_STORAGE"]:
            continue
        if retired:
            groups["RETIRED_STORAGE"][uid] = keyword
        elif info:
            groups["OTHER_STORAGE"][uid] = keyword
        elif keyword in NON_PATIENT_OBJECTS.split():
            groups["NON_PATIENT_OBJECT_STORAGE"][uid] = keyword
        else:
            groups["STORAGE"][uid] = keyword
    return groups


def transfer_syntaxes() -> dict[str, str]:
    """Return UID -> keyword of the transfer syntaxes that may be negotiated."""
    found = dict(SYNTAX_SUPPLEMENT)
    for uid, (_, kind, _, retired, keyword) in UID_dictionary.items():
        if kind == "Transfer Syntax" and uid != NOT_NETWORKED and (not retired or uid == BIG_ENDIAN):
            found[uid] = keyword
    return found


def tables() -> dict[str, tuple[str, dict[str, str]]]:
    """Return name -> (docstring, UID -> keyword) of each plain table."""
    groups = storage()
    texts = {
        "STORAGE": "The Storage service class (PS3.4 Table B.5-1).",
        "NON_PATIENT_OBJECT_STORAGE": "The Non-Patient Object Storage service class (PS3.4 Table GG.3-1).",
        "OTHER_STORAGE": "Storage SOP classes of DICOS and DICONDE.",
        "RETIRED_STORAGE": "Retired storage SOP classes, of which old objects still exist.",
    }
    instances = named(INSTANCES, "Well-known SOP Instance")
    return {
        **{name: (texts[name], group) for name, group in groups.items()},
        "INSTANCES": ("The SOP instances that have one UID everywhere.", instances),
        "TRANSFER_SYNTAXES": ("The transfer syntaxes that may be negotiated.", transfer_syntaxes()),
    }


def by_service_class() -> dict[str, dict[str, dict[str, str]]]:
    """Return name -> name of the service class -> UID -> keyword."""
    return {
        "SERVICES": {name: named(keywords, "SOP Class") for name, keywords in SERVICES.items()},
        "RETIRED_SERVICES": {name: named(words, "SOP Class") for name, words in RETIRED_SERVICES.items()},
    }


def common_storage() -> list[str]:
    """Return the UIDs of the storage SOP classes that are proposed by default, the retired ones last."""
    groups = storage()
    uids = {keyword: uid for group in groups.values() for uid, keyword in group.items()}
    retired = groups["RETIRED_STORAGE"]
    found = [uids[keyword] for keyword in expand(COMMON_STORAGE)]
    return sorted(found, key=lambda uid: (uid in retired, numbers(uid)))


def numbers(uid: str) -> list[int]:
    """Return what UIDs are ordered by."""
    return [int(part) for part in uid.split(".")]


def rows(table: dict[str, str], indent: str) -> str:
    """Return the lines of a table."""
    return "".join(f'{indent}"{uid}": "{table[uid]}",\n' for uid in sorted(table, key=numbers))


def generate() -> str:
    """Return the text of the module."""
    parts = [HEADER]
    for name, (text, table) in tables().items():
        parts.append(f'\n{name} = {{\n{rows(table, "    ")}}}\n"""{text}"""\n')
    texts = {
        "SERVICES": "The SOP classes of all other services, by the name of their service class.",
        "RETIRED_SERVICES": "SOP classes that PS3.6 still has, and PS3.4 has no longer.",
    }
    for name, groups in by_service_class().items():
        body = "".join(
            f'    "{service}": {{\n{rows(table, "        ")}    }},\n' for service, table in groups.items()
        )
        parts.append(f'\n{name} = {{\n{body}}}\n"""{texts[name]}"""\n')
    listed = "".join(f'    "{uid}",\n' for uid in common_storage())
    text = "The storage SOP classes that are proposed where nothing is known of the objects."
    parts.append(f'\nCOMMON_STORAGE = (\n{listed})\n"""{text}"""\n')
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(generate())

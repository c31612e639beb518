"""The requests that each SOP class allows, from the tables of PS3.4: service, usage of SCU/SCP (M or U).

A service class has one line for all of its SOP classes. A SOP class that differs has a line of its own, by
keyword. A keyword that ends with Find, Get or Move needs no line.
"""

from __future__ import annotations

BY_SERVICE_CLASS = {
    "VERIFICATION": "C-ECHO M/M",  # PS3.4 A.3
    "STORAGE": "C-STORE M/M",  # B.2
    "NON_PATIENT_OBJECT_STORAGE": "C-STORE M/M",  # GG.2
    "MEDIA_STORAGE": "",  # I: on media, not on networks
    "STORAGE_COMMITMENT": "N-ACTION M/M, N-EVENT-REPORT M/M",  # Table J.3.1-1
    "RELEVANT_PATIENT_INFORMATION_QUERY": "C-FIND M/M",  # Q.4
    "SUBSTANCE_ADMINISTRATION_QUERY": "C-FIND M/M",  # V.3
    "APPLICATION_EVENT_LOGGING": "N-ACTION M/M",  # Tables P.2.1-1 and P.3.1-1
    "INSTANCE_AVAILABILITY_NOTIFICATION": "N-CREATE M/M",  # Table R.3.1-1
    "MEDIA_CREATION_MANAGEMENT": "N-CREATE M/M, N-ACTION M/M, N-GET U/M",  # Table S.3.1-1
    "DISPLAY_SYSTEM_MANAGEMENT": "N-GET M/M",  # EE.2.2
    "STORAGE_MANAGEMENT": "N-ACTION M/M, N-EVENT-REPORT M/M",  # KK.2.2
    # Table DD.3.1-1
    "RT_MACHINE_VERIFICATION": (
        "N-CREATE M/M, N-SET M/M, N-GET M/M, N-ACTION M/M, N-DELETE M/M, N-EVENT-REPORT M/M"
    ),
}

BY_LAST_WORD = {"Find": "C-FIND M/M", "Get": "C-GET M/M", "Move": "C-MOVE M/M"}  # C.4, K.4, ...

BY_KEYWORD = {
    "RepositoryQuery": "C-FIND M/M",  # C.4.1
    # F.7.1, F.8.1, F.9.1
    "ModalityPerformedProcedureStep": "N-CREATE M/M, N-SET M/M",
    "ModalityPerformedProcedureStepRetrieve": "N-GET M/M",
    "ModalityPerformedProcedureStepNotification": "N-EVENT-REPORT M/M",
    # H.4.1.2, H.4.2.2, H.4.3.1.2, H.4.3.2.2, H.4.4.2, H.4.5.2, H.4.6.2, H.4.9.2, H.4.11.2
    "BasicFilmSession": "N-CREATE M/M, N-SET U/M, N-DELETE U/M, N-ACTION U/U",
    "BasicFilmBox": "N-CREATE M/M, N-ACTION M/M, N-DELETE U/M, N-SET U/U",
    "BasicGrayscaleImageBox": "N-SET M/M",
    "BasicColorImageBox": "N-SET M/M",
    "BasicAnnotationBox": "N-SET U/M",
    "PrintJob": "N-EVENT-REPORT M/M, N-GET U/M",
    "Printer": "N-EVENT-REPORT M/M, N-GET U/M",
    "PresentationLUT": "N-CREATE M/M, N-DELETE U/M",
    "PrinterConfigurationRetrieval": "N-GET M/M",
    "VOILUTBox": "N-CREATE U/M, N-SET U/M, N-DELETE U/M",  # of PS3.4-1998
    # A meta SOP class has no operations of its own (H.3.2.2).
    "BasicGrayscalePrintManagementMeta": "",
    "BasicColorPrintManagementMeta": "",
    # Table CC.2-2
    "UnifiedProcedureStepPush": "N-CREATE M/M, N-ACTION U/M, N-GET U/M",
    "UnifiedProcedureStepPull": "C-FIND M/M, N-GET M/M, N-SET M/M, N-ACTION M/M",
    "UnifiedProcedureStepWatch": "N-ACTION M/M, N-GET M/M, C-FIND U/M",
    "UnifiedProcedureStepEvent": "N-EVENT-REPORT M/M",
    "UnifiedProcedureStepQuery": "C-FIND M/M",
}

TYPES: dict[str, dict[str, tuple[int, ...]]] = {
    # F.9.2
    "ModalityPerformedProcedureStepNotification": {"N-EVENT-REPORT": (1, 2, 3, 4, 5)},
    # H.4.1.2.4, H.4.2.2.4, H.4.5.2.1, H.4.6.2.1
    "BasicFilmSession": {"N-ACTION": (1,)},
    "BasicFilmBox": {"N-ACTION": (1,)},
    "PrintJob": {"N-EVENT-REPORT": (1, 2, 3, 4)},
    "Printer": {"N-EVENT-REPORT": (1, 2, 3)},
    # J.3.2.1, J.3.3.1
    "StorageCommitmentPushModel": {"N-ACTION": (1,), "N-EVENT-REPORT": (1, 2)},
    # P.2.2.1, P.3.2.1
    "ProceduralEventLogging": {"N-ACTION": (1,)},
    "SubstanceAdministrationLogging": {"N-ACTION": (1,)},
    # S.3.2.2.1, S.3.2.3.1
    "MediaCreationManagement": {"N-ACTION": (1, 2)},
    # Tables CC.2-1 to CC.2-5: change state; request cancel; subscribe, unsubscribe, suspend
    "UnifiedProcedureStepPush": {"N-ACTION": (2,)},
    "UnifiedProcedureStepPull": {"N-ACTION": (1,)},
    "UnifiedProcedureStepWatch": {"N-ACTION": (2, 3, 4, 5)},
    "UnifiedProcedureStepEvent": {"N-EVENT-REPORT": (1, 2, 3, 4, 5)},
    # DD.3.2.3.1
    "RTConventionalMachineVerification": {"N-ACTION": (1,)},
    "RTIonMachineVerification": {"N-ACTION": (1,)},
    # KK.2.2.1, KK.2.3.1
    "InventoryCreation": {"N-ACTION": (11, 12, 13, 14, 15), "N-EVENT-REPORT": (11, 12, 13)},
}
"""The Action and Event Type IDs that each SOP class defines; SOP classes without a line may have any."""

MEMBERS = {
    # H.3.2.2: the context of the meta SOP class carries all of its members
    "BasicGrayscalePrintManagementMeta": (
        *("BasicFilmSession", "BasicFilmBox", "BasicGrayscaleImageBox", "Printer"),
    ),
    "BasicColorPrintManagementMeta": ("BasicFilmSession", "BasicFilmBox", "BasicColorImageBox", "Printer"),
}

INSTANCE_CLASS = {
    # CC.3.1: every unified procedure step is an instance of the Push class
    "UnifiedProcedureStepPull": "UnifiedProcedureStepPush",
    "UnifiedProcedureStepWatch": "UnifiedProcedureStepPush",
    "UnifiedProcedureStepEvent": "UnifiedProcedureStepPush",
    "UnifiedProcedureStepQuery": "UnifiedProcedureStepPush",
    # F.8.1, F.9.1: these SOP classes read the steps that the first one made
    "ModalityPerformedProcedureStepRetrieve": "ModalityPerformedProcedureStep",
    "ModalityPerformedProcedureStepNotification": "ModalityPerformedProcedureStep",
}
"""The SOP class of the instances that requests name, where it differs from the one of the context."""

"""The meanings of status codes, from the tables of PS3.4: by service class or SOP class, and by operation.

A key names one or more service classes or SOP classes, then the operations. An x in a code stands for any
digit. "Failed:" and the meanings of success are omitted. The table of a SOP class has precedence over that
of its service class.
"""

from __future__ import annotations

# C.4.1, K.4.1 and V.4.1 differ only in the last line.
_FIND = """
    A700 Refused: out of resources
    A900 Error: data set does not match SOP class
    Cxxx Unable to process
    FE00 Matching terminated due to cancel request
    FF00 Matches are continuing - current match is supplied and any optional keys were supported \
in the same manner as required keys
    FF01 Matches are continuing - warning that one or more optional keys were not supported for existence"""

# C.4.2, C.4.3, Y.4.1, Y.4.2 and Z.4.1
_RETRIEVE = """
    A701 Refused: out of resources - unable to calculate number of matches
    A702 Refused: out of resources - unable to perform sub-operations
    A900 Error: data set does not match SOP class
    Cxxx Unable to process
    FE00 Sub-operations terminated due to cancel indication
    FF00 Sub-operations are continuing
"""
_FAILURES = "B000 Sub-operations complete - one or more failures"

# H.4: an image that is too large
_IMAGE_SIZE = """
    B604 Image size is larger than image box size, the image has been demagnified
    B609 Image size is larger than the image box size. The image has been cropped to fit
    B60A Image size or combined print image size is larger than the image box size. \
Image or combined print image has been decimated to fit
    C603 Image size is larger than image box size
    C613 Combined print image size is larger than the image box size
"""
_DENSITY = """
    B605 Requested min density or max density outside of printer's operating range
"""

STATUSES = {
    # Table B.2-1
    "STORAGE: C-STORE": """
        A7xx Refused: out of resources
        A9xx Error: data set does not match SOP class
        Cxxx Error: cannot understand
        B000 Coercion of data elements
        B006 Elements discarded
        B007 Data set does not match SOP class
    """,
    # Table GG.4-1
    "NON_PATIENT_OBJECT_STORAGE: C-STORE": """
        A700 Refused: out of resources
        A900 Error: data set does not match SOP class
        C000 Error: cannot understand
    """,
    # Tables C.4-1, C.4-2 and C.4-3; U.4, X.4, BB.4, HH.4, II.4 and JJ.4 refer to them
    "QUERY_RETRIEVE: C-FIND": f"{_FIND} and/or matching",
    "QUERY_RETRIEVE: C-GET": f"{_RETRIEVE}{_FAILURES} or warnings",
    "QUERY_RETRIEVE: C-MOVE": f"""{_RETRIEVE}{_FAILURES}
        A801 Refused: move destination unknown
    """,
    # Newer than the other queries.
    "RepositoryQuery: C-FIND": """
        A710 Invalid prior record key
        B001 Response limit reached; a further request may return more
    """,
    # Tables Y.4.1-2 and Y.4.2-2
    "CompositeInstanceRootRetrieveMove CompositeInstanceRootRetrieveGet: C-GET C-MOVE": f"""
        {_FAILURES} or warnings
        AA00 None of the frames requested were found in the SOP instance
        AA01 Unable to create new object for this SOP class
        AA02 Unable to extract frames
        AA03 Time-based request received for a non-time-based original SOP instance
        AA04 Invalid request
    """,
    # Table K.4-1
    "BASIC_WORKLIST_MANAGEMENT: C-FIND": f"{_FIND} for this identifier",
    # Table Q.4.1.1.4-1
    "RELEVANT_PATIENT_INFORMATION_QUERY: C-FIND": """
        A700 Refused: out of resources
        A900 Error: data set does not match SOP class
        C000 Unable to process
        C100 More than one match found
        C200 Unable to support requested template
        FE00 Matching terminated due to cancel request
        FF00 Current match is supplied
    """,
    # Table V.4-1
    "SUBSTANCE_ADMINISTRATION_QUERY: C-FIND": f"{_FIND} for this identifier",
    # Table F.8.2-2; Table F.7.2-2 has a Processing Failure with Error ID A710H: it may no longer be updated
    "PROCEDURE_STEP: N-GET": """
        0001 Requested optional attributes are not supported
    """,
    # H.4.1.2, H.4.2.2
    "BasicFilmSession: N-CREATE N-SET": """
        B600 Memory allocation not supported
    """,
    "BasicFilmSession: N-ACTION": f"""{_IMAGE_SIZE}
        B601 Film session printing (collation) is not supported
        B602 Film session SOP instance hierarchy does not contain image box SOP instances (empty page)
        C600 Film session SOP instance hierarchy does not contain film box SOP instances
        C601 Unable to create print job SOP instance; print queue is full
    """,
    "BasicFilmBox: N-CREATE N-SET": f"""{_DENSITY}
        C616 There is an existing film box that has not been printed and N-ACTION at the film session level \
is not supported
    """,
    "BasicFilmBox: N-ACTION": f"""{_IMAGE_SIZE}
        B603 Film box SOP instance hierarchy does not contain image box SOP instances (empty page)
        C602 Unable to create print job SOP instance; print queue is full
    """,
    # H.4.3.1.2, H.4.3.2.2, H.4.9.2
    "BasicGrayscaleImageBox: N-SET": f"""{_IMAGE_SIZE}{_DENSITY}
        C605 Insufficient memory in printer to store the image
    """,
    "BasicColorImageBox: N-SET": f"""{_IMAGE_SIZE}
        C605 Insufficient memory in printer to store the image
    """,
    "PresentationLUT: N-CREATE": _DENSITY,
    # P.2.2.1, P.3.2.1
    "ProceduralEventLogging: N-ACTION": """
        B101 Specified synchronization frame of reference UID does not match SCP synchronization frame of \
reference
        B102 Study instance UID coercion; event logged under a different study instance UID
        B104 IDs inconsistent in matching a current study; event logged
        C101 Procedural logging not available for specified study instance UID
        C102 Event information does not match template
        C103 Cannot match event to a current study
        C104 IDs inconsistent in matching a current study; event not logged
    """,
    "SubstanceAdministrationLogging: N-ACTION": """
        C10E Operator refused: not authorized to add entry to medication administration record
        C110 Patient cannot be identified from patient ID (0010,0020) or admission ID (0038,0010)
        C111 Update of medication administration record failed
    """,
    # S.3.2.2 (initiate), S.3.2.3 (cancel), S.3.2.4
    "MEDIA_CREATION_MANAGEMENT: N-ACTION": """
        A510 An initiate media creation action has already been received for this SOP instance
        C201 Media creation request already completed
        C202 Media creation request already in progress and cannot be interrupted
        C203 Cancellation denied for unspecified reason
    """,
    "MEDIA_CREATION_MANAGEMENT: N-GET": """
        0001 Requested optional attributes are not supported
    """,
    # KK.2.2.3
    "STORAGE_MANAGEMENT: N-ACTION": """
        B010 Attribute list error - one or more of the key attributes are not supported for matching
    """,
    # CC.2.1 to CC.2.3: change state, request cancellation, subscribe
    "UNIFIED_PROCEDURE_STEP: N-ACTION": """
        B301 Deletion lock not granted
        B304 The UPS is already in the requested state of CANCELED
        B306 The UPS is already in the requested state of COMPLETED
        C300 The UPS may no longer be updated
        C301 The correct transaction UID was not provided
        C302 The UPS is already IN PROGRESS
        C303 The UPS may only become SCHEDULED via N-CREATE, not N-SET or N-ACTION
        C304 The UPS has not met final state requirements for the requested state change
        C307 Specified SOP instance UID does not exist or is not a UPS instance managed by this SCP
        C308 Receiving AE-TITLE is unknown to this SCP
        C310 The UPS is not yet in the "IN PROGRESS" state
        C311 The UPS is already COMPLETED
        C312 The performer cannot be contacted
        C313 Performer chooses not to cancel
        C314 Specified action not appropriate for specified instance
        C315 SCP does not support event reports
    """,
    # CC.2.5 to CC.2.8
    "UNIFIED_PROCEDURE_STEP: N-CREATE": """
        B300 The UPS was created with modifications
        C309 The provided value of UPS state was not "SCHEDULED"
    """,
    "UNIFIED_PROCEDURE_STEP: N-SET": """
        0001 Requested optional attributes are not supported
        B305 Coerced invalid values to valid values
        C300 The UPS may no longer be updated
        C301 The correct transaction UID was not provided
        C307 Specified SOP instance UID does not exist or is not a UPS instance managed by this SCP
        C310 The UPS is not in the "IN PROGRESS" state
    """,
    "UNIFIED_PROCEDURE_STEP: N-GET": """
        0001 Requested optional attributes are not supported
        C307 Specified SOP instance UID does not exist or is not a UPS instance managed by this SCP
    """,
    "UNIFIED_PROCEDURE_STEP: C-FIND": f"{_FIND} for this identifier",
    # DD.3.2
    "RT_MACHINE_VERIFICATION: N-CREATE": """
        C221 The referenced fraction group number does not exist in the referenced plan
        C222 No beams exist within the referenced fraction group
        C223 SCU already verifying and cannot currently process this request
        C227 No such object instance - referenced RT plan not found
    """,
    "RT_MACHINE_VERIFICATION: N-SET": """
        C224 Referenced beam number not found within the referenced fraction group
        C225 Referenced device or accessory not supported
        C226 Referenced device or accessory not found within the referenced beam
    """,
    "RT_MACHINE_VERIFICATION: N-GET": """
        C112 Applicable machine verification instance not found
    """,
    "RT_MACHINE_VERIFICATION: N-ACTION": """
        C112 Machine verification requested instance not found
    """,
}

# PS3.7 9.1 and 10.1: statuses of any service class. 0122H refuses a SOP class that was not negotiated.
GENERAL = {
    "C-ECHO": "0000 0122 0210 0211 0212",
    "C-STORE": "0000 0117 0122 0124 0210 0211 0212",
    "C-FIND": "0000 0122 0124 0210 0211 0212 FE00",
    "C-GET": "0000 0122 0124 0210 0211 0212 FE00",
    "C-MOVE": "0000 0122 0124 0210 0211 0212 FE00",
    "N-EVENT-REPORT": "0000 0110 0112 0113 0114 0115 0117 0118 0119 0122 0210 0211 0212 0213",
    "N-GET": "0000 0107 0110 0112 0117 0118 0119 0122 0124 0210 0211 0212 0213",
    "N-SET": "0000 0105 0106 0110 0112 0116 0117 0118 0119 0121 0122 0124 0210 0211 0212 0213",
    "N-ACTION": "0000 0107 0110 0112 0114 0115 0117 0118 0119 0122 0123 0124 0210 0211 0212 0213",
    "N-CREATE": ("0000 0105 0106 0107 0110 0111 0116 0117 0118 0120 0121 0122 0124 0210 0211 0212 0213"),
    "N-DELETE": "0000 0110 0112 0117 0118 0119 0122 0124 0210 0211 0212 0213",
}

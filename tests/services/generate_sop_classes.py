"""Write `dicomproto/services/_sop_class_table.py` from the UID dictionary of pydicom.

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

# PS3.4 Table GG.3-1
NON_PATIENT_OBJECTS = {
    "1.2.840.10008.5.1.4.38.1",
    "1.2.840.10008.5.1.4.39.1",
    "1.2.840.10008.5.1.4.43.1",
    "1.2.840.10008.5.1.4.44.1",
    "1.2.840.10008.5.1.4.45.1",
    "1.2.840.10008.5.1.4.1.1.200.1",
    "1.2.840.10008.5.1.4.1.1.200.3",
    "1.2.840.10008.5.1.4.1.1.200.7",
    "1.2.840.10008.5.1.4.1.1.201.1",
}
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"  # on media only (PS3.4 Annex I)

STORAGE_KEYWORD = re.compile(r"Storage(ForPresentation|ForProcessing|Retired|Trial)?$")

HEADER = f'''"""The storage SOP classes: UID -> keyword (PS3.6 Table A-1). Generated; do not edit.

Written by tests/services/generate_sop_classes.py from pydicom {pydicom.__version__}.
"""

from __future__ import annotations
'''


def tables() -> dict[str, tuple[str, dict[str, str]]]:
    """Return name -> (docstring, UID -> keyword) of each group of storage SOP classes."""
    groups: dict[str, dict[str, str]] = {
        "STORAGE": dict(SUPPLEMENT),
        "NON_PATIENT_OBJECT_STORAGE": {},
        "OTHER_STORAGE": {},
        "RETIRED_STORAGE": {},
    }
    for uid, (_, kind, info, retired, keyword) in UID_dictionary.items():
        if kind != "SOP Class" or not STORAGE_KEYWORD.search(keyword) or uid == MEDIA_STORAGE_DIRECTORY:
            continue
        if retired:
            groups["RETIRED_STORAGE"][uid] = keyword
        elif info:
            groups["OTHER_STORAGE"][uid] = keyword
        elif uid in NON_PATIENT_OBJECTS:
            groups["NON_PATIENT_OBJECT_STORAGE"][uid] = keyword
        else:
            groups["STORAGE"][uid] = keyword
    texts = {
        "STORAGE": "The Storage service class (PS3.4 Table B.5-1).",
        "NON_PATIENT_OBJECT_STORAGE": "The Non-Patient Object Storage service class (PS3.4 Table GG.3-1).",
        "OTHER_STORAGE": "Storage SOP classes of DICOS and DICONDE.",
        "RETIRED_STORAGE": "Retired storage SOP classes, of which old objects still exist.",
    }
    return {name: (texts[name], group) for name, group in groups.items()}


def generate() -> str:
    """Return the text of the module."""
    parts = [HEADER]
    for name, (text, group) in tables().items():
        rows = sorted(group.items(), key=lambda row: [int(part) for part in row[0].split(".")])
        body = "".join(f'    "{uid}": "{keyword}",\n' for uid, keyword in rows)
        parts.append(f'\n{name} = {{\n{body}}}\n"""{text}"""\n')
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(generate())

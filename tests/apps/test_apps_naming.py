"""File names for received objects: whatever a peer says, one harmless component, one per UID."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from dicomproto_transports.apps.receiving.file_names import ALL_PREFIXES, OTHER, PREFIXES, file_name, stem

CT = "1.2.840.10008.5.1.4.1.1.2"


def test_a_uid_is_its_own_name() -> None:
    assert file_name(CT, "1.2.3") == "CT.1.2.3"
    assert file_name("1.2.840.10008.5.1.4.1.1.88.11", "1.2.3") == "UN.1.2.3"
    assert stem("1." * 31 + "10") == "1." * 31 + "10"  # 64 characters


def test_leading_zeros_are_tolerated() -> None:
    assert stem("1.02.003") == "1.02.003"


@pytest.mark.parametrize(
    "uid",
    [
        "", ".", "..", "...", "1..2", ".1", "1.", "1/2", "../../etc/passwd", "1.2\0", "1.2 ", "1.2\n", "CON",
        "1.2.x", "1.2\\3", "~", "-rf", "\u0661.2", "1" * 65, "1." * 32 + "1", "\udc80", "1.2.3:stream",
    ],
)  # fmt: skip
def test_what_is_no_uid_is_hashed(uid: str) -> None:
    assert re.fullmatch(r"sha256-[0-9a-f]{40}", stem(uid))
    assert stem(uid) != stem(uid + "x")


@given(st.text(), st.text())
def test_no_uid_leaves_the_directory(sop_class: str, sop_instance: str) -> None:
    name = file_name(sop_class, sop_instance)
    assert os.path.basename(name) == name
    assert re.fullmatch(r"[A-Z]+\.[0-9a-z.-]+", name, re.ASCII)
    assert len(name) <= 80


@given(st.text(), st.text())
def test_different_uids_have_different_names(one: str, other: str) -> None:
    assert (stem(one) == stem(other)) == (one == other)


def test_the_prefixes_stand_for_the_sop_classes_that_they_name() -> None:
    names = {prefix: UID(uid).name for uid, prefix in PREFIXES.items()}
    assert names == {
        "CR": "Computed Radiography Image Storage",
        "CT": "CT Image Storage",
        "CTE": "Enhanced CT Image Storage",
        "MR": "MR Image Storage",
        "MRE": "Enhanced MR Image Storage",
        "US": "Ultrasound Image Storage",
        "USE": "Enhanced US Volume Storage",
        "SC": "Secondary Capture Image Storage",
        "XA": "X-Ray Angiographic Image Storage",
        "XAE": "Enhanced XA Image Storage",
        "NM": "Nuclear Medicine Image Storage",
        "PT": "Positron Emission Tomography Image Storage",
        "PTE": "Enhanced PET Image Storage",
        "RI": "RT Image Storage",
        "RD": "RT Dose Storage",
        "RS": "RT Structure Set Storage",
        "RP": "RT Plan Storage",
    }
    assert sorted([*names, OTHER]) == sorted(ALL_PREFIXES)

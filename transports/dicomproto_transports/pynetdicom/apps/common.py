"""The common helpers of pynetdicom's applications: logging, data sets from keywords, stored files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

from pydicom import dcmread
from pydicom.datadict import get_entry, repeater_has_keyword, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from dicomproto.services import keyword_of

from ...apps.receiving.file_names import PREFIXES, file_name
from ..status import code_to_status

_LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}

SOP_CLASS_PREFIXES: dict[str, tuple[str, str]] = {
    uid: (prefix, keyword_of(uid) or uid) for uid, prefix in PREFIXES.items()
}
"""The prefix of the file names of a SOP class, and its keyword."""


def setup_logging(args: Any, app_name: str) -> logging.Logger:
    """Return the logger of an application, with a handler and the level that its options ask for.

    `args.log_type` is "q", "v", "d" or other, `args.log_level` a name that has precedence, or None. The
    logger of the package gets the same.
    """
    formatter = logging.Formatter("%(levelname).1s: %(message)s")
    package, app = logging.getLogger("pynetdicom"), logging.getLogger(app_name)
    if not any(isinstance(handler, logging.StreamHandler) for handler in package.handlers):
        _add_handler(package, formatter)
    if app.hasHandlers():
        return app
    _add_handler(app, formatter)
    for logger in (app, package):
        if args.log_type == "q":
            logger.handlers = [logging.NullHandler()]
        elif args.log_type in ("v", "d"):
            logger.setLevel(logging.INFO if args.log_type == "v" else logging.DEBUG)
        if args.log_level:
            logger.setLevel(_LEVELS[args.log_level])
    return app


def _add_handler(logger: logging.Logger, formatter: logging.Formatter) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)


def get_files(fpaths: Iterable[str], recurse: bool = False) -> tuple[list[str], list[str]]:
    """Return the files of paths and folders, sorted, and the paths that do not exist."""
    found, bad = set[str](), []
    for path in fpaths:
        if os.path.isdir(path):
            for folder, _, names in os.walk(path):
                found.update(os.path.join(folder, name) for name in names)
                if not recurse:
                    break
        elif os.path.isfile(path):
            found.add(path)
        else:
            bad.append(path)
    return sorted(path for path in found if os.path.isfile(path)), bad


# --- data sets from keywords ---------------------------------------------------------------------


def create_dataset(args: Any, logger: logging.Logger | None = None) -> Dataset:
    """Return the data set of the file `args.file` with the elements of the paths `args.keyword`.

    Either may be None. Raises what the file or a path raises.
    """
    text = f"Cannot read input file {args.file}"
    ds = Dataset()
    try:
        if args.file:
            ds = dcmread(args.file, force=True)
            text = "Exception raised decoding the file, the file may be corrupt"
            for _ in ds.iterall():
                pass
        text = "Exception raised trying to parse the supplied keywords"
        for path in args.keyword or ():
            ds = ElementPath(path).update(ds)
    except Exception:
        if logger:
            logger.error(text)
        raise
    return ds


_NUMBERS: dict[str, Callable[[str], int | float]] = {
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV"), int),
    **dict.fromkeys(("FD", "FL"), float),
}
# fmt: off
_TEXTS = {
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "SQ", "ST", "TM", "UC", "UI",
    "UR", "UT",
}
# fmt: on


class ElementPath:
    """A path to an element, with a value: "PatientName=A", "(0010,0010)=", "BeamSequence[0].BeamNumber"."""

    def __init__(self, path: str, parent: ElementPath | None = None) -> None:
        """Parse a path. Raises ValueError."""
        self._parent = parent
        self._value: Any = ""
        self._components: list[str] = []
        self._entry: tuple[str, ...] = ()
        self.components = path

    @property
    def components(self) -> list[str]:
        """The parts of the path; a path may be set."""
        return self._components

    @components.setter
    def components(self, path: str) -> None:
        path, _, value = path.partition("=")
        self._components = path.split(".")
        try:
            self._entry = tuple(map(str, get_entry(self.tag)))
        except KeyError:
            self._entry = ("UN", "1", "Unknown", "", "Unknown")
        self._value = self._read(value)

    @property
    def child(self) -> ElementPath | None:
        """The rest of the path, within the item that this part names."""
        rest = self._components[1:]
        return ElementPath(".".join(rest), self) if rest else None

    @property
    def parent(self) -> ElementPath | None:
        """The path that this is the rest of."""
        return self._parent

    @property
    def is_sequence(self) -> bool:
        """True if the first part names an item. Raises ValueError for brackets that do not."""
        return self.item_nr is not None

    @property
    def item_nr(self) -> int | None:
        """The number of the item, from 0. Raises ValueError for brackets without one."""
        part = self._components[0]
        start, end = part.find("["), part.find("]")
        if start < 0 and end < 0:
            return None
        number = part[start + 1 : end]
        if start < 0 or end < start or not (number.isascii() and number.isdigit()):
            raise ValueError(f"Element path contains an invalid component: '{part}'")
        return int(number)

    @property
    def tag(self) -> BaseTag:
        """The tag of the first part. Raises ValueError if it is neither a tag nor a keyword."""
        part = self._components[0]
        name = part.split("[")[0] if self.is_sequence else part
        text = f"Unable to parse element path component: '{part}'"
        if "," in name:
            group, element = name.replace("(", "").replace(")", "").split(",")
            if len(group) != 4 or len(element) != 4:
                raise ValueError(text)
            return Tag(int(group, 16), int(element, 16))
        if repeater_has_keyword(name):
            raise ValueError(f"Repeating group elements must be specified using (gggg,eeee): '{part}'")
        tag = tag_for_keyword(name)
        if tag is None:
            raise ValueError(text)
        return Tag(tag)

    @property
    def keyword(self) -> str:
        """The keyword of the element, or "Unknown"."""
        return self._entry[4]

    @property
    def VR(self) -> str:
        """The VR of the element, or "UN"."""
        return self._entry[0]

    @property
    def value(self) -> Any:
        """The value at the end of the whole path; text may be set."""
        return self._value if self._parent is None else self._parent.value

    @value.setter
    def value(self, value: str) -> None:
        self._value = self._read(value)

    def _read(self, text: str) -> Any:
        """Return the value that a text stands for in the VR."""
        vr = self._last_vr()
        if not text:
            return ""
        if vr == "AT" and "\\" in text:
            return text.split("\\")
        if vr in _TEXTS:
            return text
        number = _NUMBERS.get(vr)
        if number is not None:
            values = [number(part) for part in text.split("\\")]
            return values if len(values) > 1 else values[0]
        try:
            return bytes.fromhex(text)
        except ValueError:  # a private element may be text
            return text

    def _last_vr(self) -> str:
        """Return the VR of the element at the end of the path."""
        child = self.child
        return self.VR if child is None else child._last_vr()

    def update(self, ds: Dataset) -> Dataset:
        """Set the element in a data set, with the sequences and items on the way, and return the data set."""
        number = self.item_nr
        if number is None:
            if self.tag in ds:
                ds[self.tag].value = self.value
            else:
                ds.add_new(self.tag, self.VR, self.value)
            return ds
        if self.tag not in ds:
            ds.add_new(self.tag, self.VR, [])
        items = ds[self.tag].value
        while len(items) <= number:
            items.append(Dataset())
        child = self.child
        if child is not None:
            child.update(items[number])
        return ds


# --- received objects -------------------------------------------------------------------------------


def handle_store(event: Any, args: Any, app_logger: logging.Logger) -> int | Dataset:
    """Write a received object to `args.output_directory`, as it was sent, and return a status.

    The name is that of the SOP class and of the SOP instance, made safe. `args.ignore` drops the object.
    """
    if args.ignore:
        return 0x0000
    request = event.request
    name = file_name(str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID))
    app_logger.info("Storing DICOM file: %s", name)
    path = os.path.join(args.output_directory or "", name)
    if os.path.exists(path):
        app_logger.warning("DICOM file already exists, overwriting")
    try:
        os.makedirs(args.output_directory or ".", exist_ok=True)
        with open(path, "wb") as file:
            file.write(event.encoded_dataset())
    except OSError as error:
        app_logger.error("Could not write file to specified directory:")
        app_logger.error("    %s", args.output_directory)
        app_logger.exception(error)
        return code_to_status(0xA700)
    return code_to_status(0x0000)

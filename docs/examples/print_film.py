"""Print management (PS3.4 Annex H) through the Basic Grayscale meta SOP class: a film of two images.

The printer is one of paper: each film becomes a portable graymap, `film-1.pgm` and so on. It takes images of
8-bit grayscale only. The workstation converts its images to them.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from threading import Lock

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from dicomproto.services.sop_classes import (
    BasicFilmBox,
    BasicFilmSession,
    BasicGrayscaleImageBox,
    BasicGrayscalePrintManagementMeta,
    Printer,
    PrinterInstance,
)
from dicomproto_transports.blocking import AE, evt

HOST = "127.0.0.1"
PRINT = 1  # Action Type ID of a film session and a film box

SUCCESS, NO_SUCH_INSTANCE, NO_SUCH_CLASS, NO_SUCH_ACTION = 0x0000, 0x0112, 0x0118, 0x0123
DUPLICATE_INSTANCE, INVALID_VALUE, MISSING_ATTRIBUTE = 0x0111, 0x0106, 0x0120
RESOURCE_LIMITATION = 0x0213
EMPTY_SESSION, EMPTY_FILM_BOX, NO_FILM_BOX = 0xB602, 0xB603, 0xC600
IMAGE_TOO_LARGE, OUT_OF_MEMORY = 0xC603, 0xC605

PAPER = 4096  # pixels of a film in each direction, shared by its image boxes
FILM_BOXES, MEMORY = 100, 64 << 20  # film boxes, and bytes of images, per association
INVERSE = bytes(range(255, -1, -1))


def reference(sop_class, sop_instance):
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_instance
    return item


# --- the printer: the SCP -----------------------------------------------------------------------


def is_printable(image):
    """Tell whether an image is grayscale, and has one byte for each pixel."""
    area = (image.get("Rows") or 0) * (image.get("Columns") or 0)
    return (
        0 < area <= len(image.get("PixelData") or b"") <= area + 1  # with the padding byte
        and image.get("PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
        and image.get("BitsAllocated") == image.get("BitsStored") == 8
        and image.get("SamplesPerPixel", 1) == 1
        and image.get("PixelRepresentation", 0) == 0
    )


class ImageBox:
    """A place on a film, and its image from an N-SET: the size and the bytes."""

    def __init__(self, position, columns, rows):
        self.position = position
        self.columns, self.rows = columns, rows  # of the largest image
        self.polarity = "NORMAL"
        self.size, self.pixels, self.is_inverse = (0, 0), b"", False

    def set(self, changes, memory):
        """PS3.4 H.4.3.1.2.1; `memory` is the bound of the kept images, in bytes."""
        if not changes.get("ImageBoxPosition"):
            return MISSING_ATTRIBUTE
        polarity = changes.get("Polarity") or self.polarity
        images = changes.get("BasicGrayscaleImageSequence")
        if changes.ImageBoxPosition != self.position or polarity not in ("NORMAL", "REVERSE"):
            return INVALID_VALUE
        if images:
            image, *others = images
            if others or not is_printable(image):
                return INVALID_VALUE
            if image.Columns > self.columns or image.Rows > self.rows:
                return IMAGE_TOO_LARGE  # this printer neither crops nor decimates
            area = image.Columns * image.Rows
            if area > memory:
                return OUT_OF_MEMORY
            self.size, self.pixels = (image.Columns, image.Rows), image.PixelData[:area]
            self.is_inverse = image.PhotometricInterpretation == "MONOCHROME1"
        elif images is not None:
            self.size, self.pixels = (0, 0), b""  # a sequence without items removes the image
        self.polarity = polarity
        return SUCCESS

    def shown(self):
        """Return the bytes of the image with black at 0: MONOCHROME1 has white at 0, REVERSE swaps both."""
        is_inverse = self.is_inverse is not (self.polarity == "REVERSE")
        return self.pixels.translate(INVERSE) if is_inverse else self.pixels


class FilmBox:
    """An unprinted film: its image boxes by UID, counted from the left, line by line."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.image_boxes = {
            generate_uid(): ImageBox(position, PAPER // columns, PAPER // rows)
            for position in range(1, columns * rows + 1)
        }

    def expose(self):
        """Return the pixels of a line, and those of the film; places without an image are black."""
        sizes = [image_box.size for image_box in self.image_boxes.values()]
        width, height = (max(lengths) for lengths in zip(*sizes, strict=True))
        paper = bytearray(width * self.columns * height * self.rows)
        for image_box in self.image_boxes.values():
            down, across = divmod(image_box.position - 1, self.columns)
            (columns, rows), pixels = image_box.size, image_box.shown()
            for y in range(rows):
                start = ((down * height + y) * self.columns + across) * width
                paper[start : start + columns] = pixels[y * columns : (y + 1) * columns]
        return width * self.columns, paper


class FilmSession:
    """The film session of an association, and its film boxes by UID."""

    def __init__(self):
        self.uid = None
        self.film_boxes = {}

    def has(self, sop_class, uid):
        if sop_class == BasicFilmSession:
            return self.uid is not None and uid == self.uid
        return sop_class == BasicFilmBox and uid in self.film_boxes

    def image_boxes(self):
        return {uid: box for film in self.film_boxes.values() for uid, box in film.image_boxes.items()}


class FilmPrinter:
    """Keeps the film session of each association until the association ends; counts the films."""

    def __init__(self, directory):
        self.directory = directory
        self.films = 0
        self.lock = Lock()
        self.made = {}
        self.ae = AE(ae_title="PRINTER")
        self.ae.add_supported_context(BasicGrayscalePrintManagementMeta)

    def handlers(self):
        return [
            (evt.EVT_ACCEPTED, self.begin),
            (evt.EVT_CONN_CLOSE, self.end),
            (evt.EVT_N_CREATE, self.create),
            (evt.EVT_N_SET, self.set),
            (evt.EVT_N_ACTION, self.act),
            (evt.EVT_N_DELETE, self.delete),
            (evt.EVT_N_GET, self.get),
        ]

    def begin(self, event):
        self.made[event.assoc] = FilmSession()

    def end(self, event):
        self.made.pop(event.assoc, None)

    def create(self, event):
        session, wanted = self.made[event.assoc], event.attribute_list
        sop_class = event.request.AffectedSOPClassUID
        uid = event.request.AffectedSOPInstanceUID or generate_uid()
        if sop_class == BasicFilmSession:
            if session.uid is not None:  # an association has one at a time (PS3.4 H.4.1.2.1.3)
                return DUPLICATE_INSTANCE, None
            session.uid = uid
        elif sop_class == BasicFilmBox:
            status = self.lay_out(session, uid, wanted)
            if status != SUCCESS:
                return status, None
        else:
            return NO_SUCH_CLASS, None
        reply = Dataset()
        reply.update(wanted)
        reply.AffectedSOPInstanceUID = uid
        return SUCCESS, reply

    def lay_out(self, session, uid, wanted):
        """Make a film box, and the image boxes of its display format (PS3.4 Table H.4-6)."""
        if uid in session.film_boxes:
            return DUPLICATE_INSTANCE
        if not wanted.get("ReferencedFilmSessionSequence"):
            return MISSING_ATTRIBUTE
        parent = wanted.ReferencedFilmSessionSequence[0].get("ReferencedSOPInstanceUID")
        if not session.has(BasicFilmSession, parent):
            return NO_SUCH_INSTANCE
        layout = re.fullmatch(r"STANDARD\\([1-9]),([1-9])", wanted.get("ImageDisplayFormat") or "")
        if layout is None:
            return INVALID_VALUE
        if len(session.film_boxes) >= FILM_BOXES:
            return RESOURCE_LIMITATION
        film_box = session.film_boxes[uid] = FilmBox(int(layout[1]), int(layout[2]))
        wanted.ReferencedImageBoxSequence = [
            reference(BasicGrayscaleImageBox, uid) for uid in film_box.image_boxes
        ]
        return SUCCESS

    def set(self, event):
        session, changes = self.made[event.assoc], event.modification_list
        sop_class, uid = event.request.RequestedSOPClassUID, event.request.RequestedSOPInstanceUID
        if sop_class == BasicGrayscaleImageBox:
            image_boxes = session.image_boxes()
            image_box = image_boxes.pop(uid, None)
            if image_box is None:
                return NO_SUCH_INSTANCE, None
            kept = sum(len(other.pixels) for other in image_boxes.values())
            return image_box.set(changes, MEMORY - kept), None
        if not session.has(sop_class, uid):
            return NO_SUCH_INSTANCE, None
        if "ImageDisplayFormat" in changes:  # fixed once the image boxes exist
            return INVALID_VALUE, None
        return SUCCESS, None  # this printer ignores the other attributes

    def act(self, event):
        session = self.made[event.assoc]
        sop_class, uid = event.request.RequestedSOPClassUID, event.request.RequestedSOPInstanceUID
        if not session.has(sop_class, uid):
            return NO_SUCH_INSTANCE, None
        if event.action_type != PRINT:
            return NO_SUCH_ACTION, None
        if sop_class == BasicFilmBox:
            return SUCCESS if self.print(session.film_boxes[uid]) else EMPTY_FILM_BOX, None
        if not session.film_boxes:
            return NO_FILM_BOX, None
        pages = [self.print(film_box) for film_box in session.film_boxes.values()]
        return SUCCESS if all(pages) else EMPTY_SESSION, None

    def print(self, film_box):
        """Put the images of a film box on paper; return whether there were any."""
        count = sum(1 for image_box in film_box.image_boxes.values() if image_box.pixels)
        if not count:
            return False
        width, paper = film_box.expose()
        with self.lock:
            self.films += 1
            path = self.directory / f"film-{self.films}.pgm"
        path.write_bytes(b"P5 %d %d 255\n" % (width, len(paper) // width) + paper)
        print(f"  printer: {path.name} has {count} images, {width} pixels wide")
        return True

    def delete(self, event):
        session = self.made[event.assoc]
        sop_class, uid = event.request.RequestedSOPClassUID, event.request.RequestedSOPInstanceUID
        if not session.has(sop_class, uid):
            return NO_SUCH_INSTANCE
        # Its film boxes and image boxes are deleted too (PS3.4 H.4.1.2.3 and H.4.2.2.3).
        if sop_class == BasicFilmSession:
            self.made[event.assoc] = FilmSession()
        else:
            del session.film_boxes[uid]
        return SUCCESS

    def get(self, event):
        if event.request.RequestedSOPInstanceUID != PrinterInstance:
            return NO_SUCH_INSTANCE, None
        printer = Dataset()
        printer.PrinterStatus = "NORMAL"
        printer.PrinterStatusInfo = "NORMAL"
        printer.PrinterName = "PAPER"
        printer.Manufacturer = "dicomproto"
        wanted = event.attribute_identifiers or list(printer.keys())
        found = Dataset()
        for tag in wanted:
            if tag in printer:
                found[tag] = printer[tag]
        return SUCCESS, found


# --- a workstation: the SCU ---------------------------------------------------------------------


def values_of(source):
    """Return the stored values of the first frame, in the layout of PS3.5 8.1.1."""
    if (
        source.SamplesPerPixel != 1
        or source.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2")
        or source.BitsAllocated not in (8, 16)
        or source.file_meta.TransferSyntaxUID not in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    ):
        raise ValueError("only uncompressed grayscale images of 8 or 16 bits are printed")
    cell = "B" if source.BitsAllocated == 8 else "H"
    cells = struct.unpack_from(f"<{source.Rows * source.Columns}{cell}", source.PixelData)
    shift, mask = source.HighBit + 1 - source.BitsStored, (1 << source.BitsStored) - 1
    sign = 1 << (source.BitsStored - 1) if source.PixelRepresentation else 0  # two's complement
    return [((value >> shift & mask) ^ sign) - sign for value in cells]


def image_of(path):
    """Return an image in 8 bits, its values from the least to the greatest; black stays black."""
    source = dcmread(path)
    values = values_of(source)
    least, greatest = min(values), max(values)
    spread = max(greatest - least, 1)  # all may be equal
    image = Dataset()
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = source.PhotometricInterpretation
    image.Rows, image.Columns = source.Rows, source.Columns
    image.PixelAspectRatio = [1, 1]
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    image.PixelRepresentation = 0
    image.PixelData = bytes((value - least) * 255 // spread for value in values)
    image["PixelData"].VR = "OB"
    return image


def show(what, response):
    print(f"{what}: {response.Status:04X} {response.status.meaning}")


class Workstation:
    """Prints on an association; all requests go on the context of the meta SOP class."""

    def __init__(self, assoc):
        self.assoc = assoc

    def create(self, sop_class, **values):
        """N-CREATE; return the UID of the printer's choice, and its attributes."""
        wanted = Dataset()
        for keyword, value in values.items():
            setattr(wanted, keyword, value)
        response, made = self.assoc.send_n_create(
            wanted, sop_class, meta_uid=BasicGrayscalePrintManagementMeta
        )
        show("a film session" if sop_class == BasicFilmSession else "a film box", response)
        return response.AffectedSOPInstanceUID, made

    def fill(self, image_box, position, image):
        changes = Dataset()
        changes.ImageBoxPosition = position
        changes.BasicGrayscaleImageSequence = [image]
        response, _ = self.assoc.send_n_set(
            changes, BasicGrayscaleImageBox, image_box, meta_uid=BasicGrayscalePrintManagementMeta
        )
        show(f"image {position}", response)

    def print(self, sop_class, uid):
        response, _ = self.assoc.send_n_action(
            None, PRINT, sop_class, uid, meta_uid=BasicGrayscalePrintManagementMeta
        )
        show("print", response)

    def status(self):
        response, printer = self.assoc.send_n_get(
            ["PrinterStatus", "PrinterName"],
            Printer,
            PrinterInstance,
            meta_uid=BasicGrayscalePrintManagementMeta,
        )
        show(f"the printer {printer.PrinterName} is {printer.PrinterStatus}", response)

    def delete(self, sop_class, uid):
        response = self.assoc.send_n_delete(sop_class, uid, meta_uid=BasicGrayscalePrintManagementMeta)
        show("delete", response)


def main():
    printer = FilmPrinter(Path.cwd())
    scu = AE(ae_title="WORKSTATION")
    scu.add_requested_context(BasicGrayscalePrintManagementMeta)
    with (
        printer.ae.start_server((HOST, 0), block=False, evt_handlers=printer.handlers()) as server,
        scu.associate(HOST, server.port, ae_title="PRINTER") as assoc,
    ):
        work = Workstation(assoc)
        work.status()
        session, _ = work.create(
            BasicFilmSession, NumberOfCopies="1", MediumType="PAPER", FilmDestination="PROCESSOR"
        )
        work.print(BasicFilmSession, session)
        film_box, made = work.create(
            BasicFilmBox,
            ImageDisplayFormat=r"STANDARD\2,1",
            FilmOrientation="LANDSCAPE",
            FilmSizeID="A4",
            ReferencedFilmSessionSequence=[reference(BasicFilmSession, session)],
        )
        work.print(BasicFilmBox, film_box)
        for position, item in enumerate(made.ReferencedImageBoxSequence, 1):
            name = ("CT_small.dcm", "MR_small.dcm")[position - 1]
            work.fill(item.ReferencedSOPInstanceUID, position, image_of(get_testdata_file(name)))
        work.print(BasicFilmBox, film_box)
        work.delete(BasicFilmSession, session)
        work.print(BasicFilmBox, film_box)


if __name__ == "__main__":
    main()

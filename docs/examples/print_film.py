"""Print management (PS3.4 Annex H) through the Basic Grayscale meta SOP class: a film of two images.

The printer is one of paper: each film becomes a portable graymap, `film-1.pgm` and so on.
"""

from __future__ import annotations

import re
from array import array
from pathlib import Path
from threading import Lock

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

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
EMPTY_PAGE, NO_FILM_BOX = 0xB603, 0xC600


def reference(sop_class, sop_instance):
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_instance
    return item


# --- the printer: the SCP -----------------------------------------------------------------------


def has_its_pixels(image):
    """Tell whether an image has one byte for each pixel."""
    area = image.get("Rows", 0) * image.get("Columns", 0)
    return area <= len(image.get("PixelData", b"")) <= area + 1  # which may be made even


class FilmPrinter:
    """Keeps what each association has made, by SOP class and instance, until it ends; counts its films."""

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
        self.made[event.assoc] = {BasicFilmSession: {}, BasicFilmBox: {}, BasicGrayscaleImageBox: {}}

    def end(self, event):
        self.made.pop(event.assoc, None)

    def create(self, event):
        instances = self.made[event.assoc]
        sop_class, made = event.request.AffectedSOPClassUID, event.attribute_list
        uid = event.request.AffectedSOPInstanceUID or generate_uid()
        if sop_class not in (BasicFilmSession, BasicFilmBox):
            return NO_SUCH_CLASS, None
        if uid in instances[sop_class]:
            return DUPLICATE_INSTANCE, None
        if sop_class == BasicFilmBox:
            status = self.lay_out(instances, made)
            if status != SUCCESS:
                return status, None
        instances[sop_class][uid] = made
        reply = Dataset()
        reply.update(made)
        reply.AffectedSOPInstanceUID = uid
        return SUCCESS, reply

    def lay_out(self, instances, film_box):
        """Make the image boxes that the display format of a film box asks for (PS3.4 Table H.4-7)."""
        if not film_box.get("ReferencedFilmSessionSequence"):
            return MISSING_ATTRIBUTE
        if (
            film_box.ReferencedFilmSessionSequence[0].ReferencedSOPInstanceUID
            not in instances[BasicFilmSession]
        ):
            return NO_SUCH_INSTANCE
        layout = re.fullmatch(r"STANDARD\\([1-9]),([1-9])", film_box.get("ImageDisplayFormat", ""))
        if layout is None:
            return INVALID_VALUE
        uids = [generate_uid() for _ in range(int(layout[1]) * int(layout[2]))]
        instances[BasicGrayscaleImageBox].update({uid: Dataset() for uid in uids})
        film_box.ReferencedImageBoxSequence = [reference(BasicGrayscaleImageBox, uid) for uid in uids]
        return SUCCESS

    def set(self, event):
        request = event.request
        known = self.made[event.assoc].get(request.RequestedSOPClassUID, {})
        instance = known.get(request.RequestedSOPInstanceUID)
        if instance is None:
            return NO_SUCH_INSTANCE, None
        changes = event.modification_list
        if request.RequestedSOPClassUID == BasicGrayscaleImageBox and not changes.get("ImageBoxPosition"):
            return MISSING_ATTRIBUTE, None
        if not all(map(has_its_pixels, changes.get("BasicGrayscaleImageSequence", ()))):
            return INVALID_VALUE, None  # before anything of the size that it claims is made
        instance.update(changes)
        return SUCCESS, None

    def act(self, event):
        instances = self.made[event.assoc]
        sop_class, uid = event.request.RequestedSOPClassUID, event.request.RequestedSOPInstanceUID
        if uid not in instances.get(sop_class, ()):
            return NO_SUCH_INSTANCE, None
        if event.action_type != PRINT:
            return NO_SUCH_ACTION, None
        boxes = instances[BasicFilmBox]
        wanted = [boxes[uid]] if sop_class == BasicFilmBox else list(boxes.values())
        if not wanted:
            return NO_FILM_BOX, None
        pages = [self.expose(film_box, instances[BasicGrayscaleImageBox]) for film_box in wanted]
        return SUCCESS if all(pages) else EMPTY_PAGE, None

    def expose(self, film_box, image_boxes):
        """Put the images of a film box on paper; return whether there were any."""
        images = []
        for item in film_box.ReferencedImageBoxSequence:
            images.extend(image_boxes[item.ReferencedSOPInstanceUID].get("BasicGrayscaleImageSequence", ()))
        if not images:
            return False
        columns = int(re.split(r"[\\,]", film_box.ImageDisplayFormat)[1])
        width, height = max(image.Columns for image in images), max(image.Rows for image in images)
        lines = []
        for first in range(0, len(images), columns):
            row = images[first : first + columns]
            for y in range(height):
                for image in row:
                    line = (
                        image.PixelData[y * image.Columns : (y + 1) * image.Columns]
                        if y < image.Rows
                        else b""
                    )
                    lines.append(line.ljust(width, b"\0"))
                lines.append(bytes(width * (columns - len(row))))
        paper = b"".join(lines)
        with self.lock:
            self.films += 1
            path = self.directory / f"film-{self.films}.pgm"
        path.write_bytes(b"P5 %d %d 255\n" % (width * columns, len(paper) // (width * columns)) + paper)
        print(f"  printer: {path.name} has {len(images)} images, {width * columns} pixels wide")
        return True

    def delete(self, event):
        instances = self.made[event.assoc]
        sop_class, uid = event.request.RequestedSOPClassUID, event.request.RequestedSOPInstanceUID
        if instances.get(sop_class, {}).pop(uid, None) is None:
            return NO_SUCH_INSTANCE
        if sop_class == BasicFilmSession:  # and all that it has (PS3.4 H.4.1.2.3)
            for kept in instances.values():
                kept.clear()
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


def image_of(path):
    """Return the pixels of an image in 8 bits, from its darkest to its brightest."""
    source = dcmread(path)
    pixels = array("h", source.PixelData)
    darkest, brightest = min(pixels), max(pixels)
    image = Dataset()
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = source.Rows, source.Columns
    image.PixelAspectRatio = [1, 1]
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    image.PixelRepresentation = 0
    image.PixelData = bytes((pixel - darkest) * 255 // (brightest - darkest) for pixel in pixels)
    image["PixelData"].VR = "OB"
    return image


def show(what, response):
    print(f"{what}: {response.Status:04X} {response.status.meaning}")


class Workstation:
    """Prints on an association; everything goes on the context of the meta SOP class."""

    def __init__(self, assoc):
        self.assoc = assoc

    def create(self, sop_class, **values):
        """N-CREATE; return the UID that the printer has chosen, and its attributes."""
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

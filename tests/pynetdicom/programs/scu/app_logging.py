"""A command like those of the package's applications, with their helpers."""

import argparse
import logging
import sys

from pynetdicom import AE
from pynetdicom.apps.common import create_dataset, get_files, setup_logging
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind as PatientRootFind

parser = argparse.ArgumentParser(description="find")
parser.add_argument("port", type=int)
parser.add_argument("other", type=int)
parser.add_argument("-q", "--quiet", action="store_true")
parser.add_argument("-v", "--verbose", action="store_true")
parser.add_argument("-d", "--debug", action="store_true")
parser.add_argument("-ll", "--log-level", type=str)
parser.add_argument("-k", dest="keyword", action="append", default=["QueryRetrieveLevel=PATIENT"])
parser.add_argument("-f", dest="file")
args = parser.parse_args([*sys.argv[1:], "-q", "-k", "PatientName=CIT*", "-k", "(0010,0020)="])
args.log_type = "q"

APP_LOGGER = setup_logging(args, "finder")
print(APP_LOGGER.name, isinstance(APP_LOGGER, logging.Logger), logging.getLogger("pynetdicom").handlers)
good, bad = get_files(["instances", "missing.dcm"], recurse=True)
print(len(good), len(bad))
identifier = create_dataset(args, APP_LOGGER)
print(identifier)

ae = AE(ae_title="FINDER")
ae.add_requested_context(PatientRootFind)
assoc = ae.associate("127.0.0.1", args.port)
if assoc.is_established:
    for index, (status, ds) in enumerate(assoc.send_c_find(identifier, PatientRootFind), 1):
        print(index, status.get("Status", "none"), ds.PatientName if ds else "")
    assoc.release()
    sys.exit(0)
print("Association rejected, aborted or never connected")
sys.exit(1)

"""PS3.7: the DIMSE commands, their codec, their statuses, and the assembly of messages."""

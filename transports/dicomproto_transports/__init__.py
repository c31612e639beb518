"""DICOM networking over real connections: the adapters of `dicomproto`.

`blocking`, `trio` and `anyio` have the same names: `AE`, `Association`, `Server` and the events in
`evt`. Import them from the flavour that you use; `testing` has a network in memory with a clock
that jumps. Nothing is imported here, so that no flavour pays for another.
"""

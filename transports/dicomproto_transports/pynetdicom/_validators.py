"""The judges of AE titles and UIDs; `_config.VALIDATORS` chooses which of them act."""

from __future__ import annotations

from ._config import validate_ae, validate_ui

__all__ = ["validate_ae", "validate_ui"]

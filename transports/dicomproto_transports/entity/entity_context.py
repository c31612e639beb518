"""The supported contexts that an application entity shows, whose roles can be set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dicomproto.negotiation import SupportedContext
from dicomproto.record import maker_of, values_of

from ..uid_values import with_uids

if TYPE_CHECKING:
    from pydicom.uid import UID

    from dicomproto.record import RecordType

SetRole = Callable[[str, str, object], None]
"""Sets a role on the entity: takes the SOP class, the name of the role, and whether it is granted."""


if TYPE_CHECKING:
    # Checkers take the fields of a record for read-only, also in a derived class. pyright finds these plain
    # attributes first. mypy freezes no fields of a class that names the metaclass itself (PEP 681).

    class _PlainRoles:
        scu_role: bool | None
        scp_role: bool | None

    class _RoleFields(metaclass=RecordType):
        scu_role: bool | None = None
        scp_role: bool | None = None

    class _Noted(_PlainRoles, _RoleFields):
        """Has roles that can be set."""

else:

    class _Noted:
        """Gives a record a `__dict__`, for what is no field."""


class EntityContext(_Noted, SupportedContext):
    """A context that an application entity supports.

    In `for cx in ae.supported_contexts: cx.scp_role = True` the roles are set on the entity, from the next
    association on, if it still supports the SOP class. All else is immutable. It equals a `SupportedContext`
    with the same values.
    """

    if TYPE_CHECKING:
        abstract_syntax: UID
        transfer_syntaxes: tuple[UID, ...]

    @property
    def transfer_syntax(self) -> tuple[UID, ...]:
        """The same as `transfer_syntaxes`."""
        return self.transfer_syntaxes

    if not TYPE_CHECKING:  # with it, a checker would allow any name to be set

        def __setattr__(self, name: str, value: object) -> None:
            if name in ("transfer_syntax", "transfer_syntaxes"):
                how = "add_supported_context() and remove_supported_context() of the AE change them"
                raise AttributeError(f"the {name} of an EntityContext cannot be set: {how}")
            set_role = vars(self).get("set_role")
            if set_role is None or name not in ("scu_role", "scp_role"):
                super().__setattr__(name, value)  # says why not
            set_role(self.abstract_syntax, name, value)
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SupportedContext) and values_of(self) == values_of(other)

    def __hash__(self) -> int:
        return hash(maker_of(SupportedContext)(**values_of(self)))


def entity_context(context: SupportedContext, set_role: SetRole) -> EntityContext:
    """Return a supported context with UIDs of pydicom, and with roles that can be set."""
    shown = with_uids(maker_of(EntityContext)(**values_of(context)))
    vars(shown)["set_role"] = set_role
    return shown

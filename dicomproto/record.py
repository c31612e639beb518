"""Immutable, slotted, keyword-only value classes, cheap to import and to create.

PDUs, events and messages are values. A frozen dataclass would cost twice as much an instance, and five times
as much a class at import. Both matter: each fragment is an instance, and `dicomproto echoscu` starts in
milliseconds. A `Record` writes its own `__init__` from its annotations, as dataclasses do, but not before its
first use, since most programs use few of the classes. It stores through slot descriptors. `maker_of` returns
a function that makes records in two fifths of the time.

The field `warnings` is not compared, so that a PDU with a tolerated fault equals one without. `repr` shows
only the length of bytes-like values, so that no patient data can reach a log.

A class may say that its optional fields are no attributes while they are None (`_none_is_absent`). Slots of
other names hold them then, so that the package reads them at the same cost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

_MISSING: Any = object()


def _parameters(
    fields: dict[str, object], converters: dict[str, Any], scope: dict[str, Any]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the parameters of `__init__`, and each field with its value; names they use go to `scope`."""
    parameters, values = [], []
    for field, default in fields.items():
        if default is _MISSING:
            parameters.append(field)
        else:
            scope[f"_default_{field}"] = default
            parameters.append(f"{field}=_default_{field}")
        value = field
        if field in converters:
            scope[f"_convert_{field}"] = converters[field]
            value = f"_convert_{field}({field})"
        values.append((field, value))
    return parameters, values


class _FirstInit:
    """The `__init__` of a class until its first use: writes the real one, and gives way to it."""

    def __init__(self, cls: RecordType) -> None:
        self._cls = cls

    def __get__(self, instance: object, owner: type) -> Any:
        init = _write_init(self._cls)
        type.__setattr__(self._cls, "__init__", init)
        return init if instance is None else init.__get__(instance, owner)


def _write_init(cls: RecordType) -> Any:
    """Return an `__init__` that converts each field and stores it through its slot descriptor."""
    name, fields, converters = cls.__name__, cls._fields, cls._converters
    slots = cls._slots.items()
    scope: dict[str, Any] = {f"_set_{field}": getattr(cls, slot).__set__ for field, slot in slots}
    parameters, values = _parameters(fields, converters, scope)
    stores = [f"    _set_{field}(self, {value})\n" for field, value in values]
    head = f"self, *, {', '.join(parameters)}" if parameters else "self"
    _run(f"def __init__({head}):\n{''.join(stores) or '    pass'}", scope)
    init = scope["__init__"]
    init.__qualname__ = f"{name}.__init__"
    return init


@cache  # the commands have many fields of the same names
def _present(field: str, slot: str) -> property:
    """Return a property that is the value in a slot, and is no attribute while that is None."""
    read = attrgetter(slot)

    def present(self: Record) -> object:
        value = read(self)
        if value is None:
            raise AttributeError(f"this {type(self).__name__} has no {field}; get() returns None for it")
        return value

    return property(present)


def _run(source: str, scope: dict[str, Any]) -> None:
    """Run code that was made here.

    It is compiled first: after a KeyboardInterrupt within `exec` of a text, CPython ends the program with
    that signal at exit, even if the exception was caught.
    """
    exec(compile(source, "<record>", "exec"), scope)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class RecordType(type):
    """Makes slots and an `__init__` from the annotations of a class body."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> RecordType:
        own = [
            field
            for field, kind in namespace.get("__annotations__", {}).items()
            if not kind.startswith("ClassVar")
        ]
        defaults = {field: namespace.pop(field, _MISSING) for field in own}
        slots = {field: field for field in own}
        if namespace.get("_none_is_absent", any(getattr(base, "_none_is_absent", False) for base in bases)):
            absent = [field for field, default in defaults.items() if default is None]
            slots.update({field: f"_optional_{field}" for field in absent})
            namespace.update({field: _present(field, slots[field]) for field in absent})
        namespace["__slots__"] = tuple(slots.values())
        cls = super().__new__(mcs, name, bases, namespace)
        cls._fields, cls._slots = {}, {}
        for base in reversed(cls.__mro__[1:]):
            cls._fields.update(base.__dict__.get("_fields", {}))
            cls._slots.update(base.__dict__.get("_slots", {}))
        fields = cls._fields
        fields.update(defaults)
        cls._slots.update(slots)
        cls._compared = tuple(cls._slots[field] for field in fields if field != "warnings")
        if "__init__" not in namespace:
            type.__setattr__(cls, "__init__", _FirstInit(cls))
        return cls

    _fields: dict[str, object]
    """All fields in order, the inherited ones first, with their defaults (`_MISSING` for none)."""

    _slots: dict[str, str]
    """The slot of each field: the value, None included."""

    _compared: tuple[str, ...]
    """The slots of the fields that are compared."""

    _converters: dict[str, Callable[[object], object]]


def _shown(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    return repr(value)


class Record(metaclass=RecordType):
    """Base of all value classes: immutable, compared by value, shown without payloads."""

    _converters: ClassVar[dict[str, Callable[[object], object]]] = {}
    """Functions that convert the values of some fields before they are stored."""

    _none_is_absent: ClassVar[bool] = False
    """Whether a field with the default None raises AttributeError while it is None."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in type(self)._fields:
            fields = ", ".join(type(self)._fields)
            raise AttributeError(f"{type(self).__name__} has no field {name!r}, only {fields}")
        text = f"is immutable; use replace({name}=...), which returns a changed copy"
        raise AttributeError(f"{type(self).__name__} {text}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, slot) for slot in type(self)._compared])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        shown = (f"{field}={_shown(value)}" for field, value in values_of(self).items())
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), values_of(self))

    def replace(self, **changes: object) -> Self:
        """Return a copy with some fields changed. Raises TypeError for an unknown field."""
        kind, values = type(self), changes.copy()
        for field, slot in kind._slots.items():  # in place of `values_of`: requests are replaced one by one
            if field not in changes:
                values[field] = getattr(self, slot)
        made: Self = _write_maker(kind)(**values)
        return made


def _rebuild(kind: type[Record], fields: dict[str, object]) -> Record:
    return kind(**fields)


def values_of(record: Record) -> dict[str, object]:
    """Return the values of all fields, None included."""
    return {field: getattr(record, slot) for field, slot in type(record)._slots.items()}


def slots_of(kind: type[Record]) -> dict[str, str]:
    """Return the attribute that holds each field, None included."""
    return kind._slots


RecordT = TypeVar("RecordT", bound=Record)


def maker_of(kind: type[RecordT]) -> Callable[..., RecordT]:
    """Return a function that makes records of `kind`.

    It takes the fields by name, or in order if those without a default come first. It fills an instance of a
    mutable class with the same slots, and then makes it a `kind`.
    """
    maker: Callable[..., RecordT] = _write_maker(kind)
    return maker


@cache
def changer_of(kind: type[RecordT], *fields: str) -> Callable[..., RecordT]:
    """Return a function that copies a record of `kind` with other values of some fields, given in order.

    `replace` takes three times as long.
    """
    parameters = [f"new_{field}" for field in fields]
    kept = {field: f"record.{slot}" for field, slot in kind._slots.items()}
    values = kept | dict(zip(fields, parameters, strict=True))
    changer: Callable[..., RecordT] = _write_function(kind, ", ".join(["record", *parameters]), values)
    return changer


@cache
def _write_maker(kind: type[Record]) -> Any:
    scope: dict[str, Any] = {}
    parameters, values = _parameters(kind._fields, kind._converters, scope)
    defaults = ["=" in parameter for parameter in parameters]
    order = "" if defaults == sorted(defaults) else "*, "
    return _write_function(kind, order + ", ".join(parameters), dict(values), scope)


def _write_function(
    kind: type[Record], parameters: str, values: dict[str, str], scope: dict[str, Any] | None = None
) -> Any:
    """Return a function that makes records of `kind`; `values` are the expressions for its fields."""
    # Without both of them, Python would store each field through a call of `__setattr__`.
    plain = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    namespace = {"__slots__": kind.__dict__["__slots__"]} | plain
    blank = type.__new__(RecordType, kind.__name__, kind.__bases__, namespace)
    names = (scope or {}) | {"_new": object.__new__, "_blank": blank, "_kind": kind}
    stores = "".join([f"    made.{kind._slots[field]} = {value}\n" for field, value in values.items()])
    head = f"def make({parameters}):\n    made = _new(_blank)\n"
    _run(f"{head}{stores}    made.__class__ = _kind\n    return made\n", names)
    return names["make"]

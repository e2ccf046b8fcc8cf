"""Front-panel parts that hold their state and do nothing else: ``display`` and ``beeper``.

Source: 2600BS-901-01 Rev. F, section 9. Left out: menus, prompts and keys that wait for an operator.
"""

from labctl_mock.tsp.objects import TspObject, Value, choice, number, switch, text

__all__ = ["beeper_tree", "display_tree"]

_SCREENS = {"SMUA": 0, "SMUB": 1, "SMUA_SMUB": 2, "USER": 3}
_FUNCTIONS = {"MEASURE_DCAMPS": 0, "MEASURE_DCVOLTS": 1, "MEASURE_OHMS": 2, "MEASURE_WATTS": 3}
_DIGITS = {"DIGITS_4_5": 4, "DIGITS_5_5": 5, "DIGITS_6_5": 6}


def beeper_tree() -> TspObject:
    """Return the table ``beeper``."""
    tree = TspObject(constants={"ON": 1, "OFF": 0})
    tree.hold("enable", 1, switch)
    tree.functions["beep"] = _beep
    return tree


def _beep(duration_s: Value, frequency_hz: Value) -> None:
    number(duration_s, 0.1, 100.0)
    number(frequency_hz, 20.0, 8000.0)


def display_tree() -> TspObject:
    """Return the table ``display``."""
    tree = TspObject(constants={**_SCREENS, **_FUNCTIONS, **_DIGITS})
    tree.hold("screen", _SCREENS["SMUA_SMUB"], lambda value: choice(value, tuple(_SCREENS.values())))
    shown = {"text": ""}

    def show(value: Value) -> None:
        shown["text"] = text(value)[:64]

    def clear() -> None:
        shown["text"] = ""

    def send_key(code: Value) -> None:
        number(code, 0, 255)

    def set_cursor(row: Value, column: Value) -> None:
        number(row, 1, 2)
        number(column, 1, 32)

    tree.functions.update(
        settext=show, gettext=lambda: shown["text"], clear=clear, sendkey=send_key, setcursor=set_cursor
    )
    for channel in ("smua", "smub"):
        measure = TspObject()
        measure.hold("func", _FUNCTIONS["MEASURE_DCVOLTS"], lambda value: choice(value, tuple(_FUNCTIONS.values())))
        side = TspObject(children={"measure": measure})
        side.hold("digits", _DIGITS["DIGITS_5_5"], lambda value: choice(value, tuple(_DIGITS.values())))
        tree.children[channel] = side
    return tree

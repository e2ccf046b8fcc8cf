"""Authority: the contract of a procedure (architecture.md); PyMeasure 0.16 for what its own classes do."""

from typing import ClassVar

import pytest
from pymeasure.experiment import BooleanParameter, IntegerParameter, ListParameter, Parameter

from labctl.errors import RunError
from labctl.run import LabProcedure, QuantityParameter, describe_parameters


class ReadCellTwice(LabProcedure):
    row = IntegerParameter("Row", default=3, minimum=0, maximum=31)
    width_s = QuantityParameter(
        "Pulse width", units="s", minimum=1e-6, maximum=1e-3, default="10us", description="How long."
    )
    resistance_ohm = QuantityParameter("Load", units="Ω", minimum=0.0, default=5e9)
    scheme = ListParameter("Scheme", choices=["v2", "v3"], default="v2")
    verify = BooleanParameter("Verify", default=True)
    target = Parameter("Target file")
    DATA_COLUMNS: ClassVar[list[str]] = ["Conductance (S)", "Flags"]


def test_procedure_name_is_snake_case_when_class_is_camel_case():
    assert ReadCellTwice.procedure_name() == "read_cell_twice"


def test_procedure_keeps_every_bit_when_float_has_many_digits():
    # PyMeasure writes %g, six digits, and refuses 5e9 by its default limit of 1e9
    procedure = ReadCellTwice(width_s=1.23456789012345e-6)
    assert procedure.width_s == 1.23456789012345e-6
    assert str(procedure.parameter_objects()["width_s"]) == "1.23456789012345 µs"
    assert procedure.resistance_ohm == 5e9


def test_procedure_converts_when_values_are_text():
    procedure = ReadCellTwice(width_s="20 µs", row="7", verify="false", scheme="v3", target="map.csv")
    values = (procedure.width_s, procedure.row, procedure.verify, procedure.scheme, procedure.target)
    assert values == (20e-6, 7, False, "v3", "map.csv")


def test_procedure_leaves_parameter_unset_when_it_has_no_default():
    assert ReadCellTwice().target is None
    assert ReadCellTwice(target="x").target == "x"
    assert ReadCellTwice().target is None


def test_procedure_lists_known_names_when_parameter_is_unknown():
    # PyMeasure's constructor ignores it silently
    with pytest.raises(RunError, match=r"no parameter 'widht_s'; it has: faults, resistance_ohm, row, scheme"):
        ReadCellTwice(widht_s=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("width_s", "2 s", r"width_s \(Pulse width\): must be 1 µs to 1 ms, got 2 s"),
        ("width_s", 1e-7, "must be 1 µs to 1 ms, got 100 ns"),
        ("width_s", float("nan"), "must be 1 µs to 1 ms, got nan"),
        ("width_s", "3 V", "expected a quantity in s"),
        ("width_s", True, "expected a number in s"),
        ("width_s", [1], "expected a number in s"),
        ("resistance_ohm", -1, "must be at least 0 Ω"),
        ("row", 32, "a whole number, 0 to 31, got 32"),
        ("row", 3.7, "a whole number, 0 to 31, got 3.7"),
        ("row", "3.7", "a whole number, 0 to 31, got '3.7'"),
        ("scheme", "v5", "one of: v2, v3"),
        ("verify", "yes", "true or false"),
    ],
)
def test_procedure_names_rule_when_value_breaks_it(name, value, rule):
    with pytest.raises(RunError, match=rule):
        ReadCellTwice(**{name: value})


def test_quantity_parameter_refuses_when_unit_is_unknown():
    with pytest.raises(ValueError, match="not a unit"):
        QuantityParameter("x", units="quux")


def test_emit_and_should_stop_refuse_when_procedure_is_not_run():
    with pytest.raises(RunError, match="not being run"):
        ReadCellTwice().emit("results", {})
    with pytest.raises(RunError, match="not being run"):
        ReadCellTwice().should_stop()


def test_describe_parameters_keeps_order_of_declaration_when_asked():
    described = describe_parameters(ReadCellTwice)
    assert [item["name"] for item in described] == [
        "row",
        "width_s",
        "resistance_ohm",
        "scheme",
        "verify",
        "target",
        "faults",
    ]
    assert described[1] == {
        "name": "width_s",
        "label": "Pulse width",
        "default": "10 µs",
        "unit": "s",
        "allowed": "1 µs to 1 ms",
        "description": "How long.",
        "kind": "quantity",
        "lowest": 1e-6,
        "highest": 1e-3,
        "choices": [],
        "group": "",
    }
    assert (described[3]["kind"], described[3]["choices"]) == ("choice", ["v2", "v3"])
    assert described[-1]["group"] == "Simulation"
    assert described[4]["default"] == "true"
    assert described[5]["allowed"] == "text"

"""What every parameter of a procedure tells. Not here: their names and units (``tests/unit/run``)."""

import pytest

from labctl.run import QuantityParameter
from labctl_procedures import find_procedure, procedures

# defaults of whole-network runs, whose sources stand in the pages of their systems; the list only shrinks
WITHOUT = {
    "system.bridge_bnn": {"current_limit", "set_voltage"},
    "system.ecram": {"down_voltage", "g_max", "g_min", "up_voltage", "width"},
    "system.rvc_3bit": {"g_max", "g_min", "width"},
    "system.sign_backprop": {"g_high", "g_low", "width"},
}


@pytest.mark.parametrize("name", sorted(procedures()))
def test_quantity_with_a_default_is_described(name):
    # "Defaults ... with their source in the parameter's description"; "assumed" is a legal source, silence is not
    parameters = find_procedure(name)()._parameters
    silent = {
        key
        for key, one in parameters.items()
        if isinstance(one, QuantityParameter) and one.default is not None and not (one.description or "").strip()
    }
    assert silent <= WITHOUT.get(name, set())

"""What every parameter of a procedure tells. Not here: their names and units (``tests/unit/run``)."""

import pytest

pytest.importorskip("pymeasure", reason="procedures need it; the other rules read the source alone")

from labctl.run import QuantityParameter
from labctl_procedures import find_procedure, procedures


@pytest.mark.parametrize("name", sorted(procedures()))
def test_quantity_with_a_default_is_described(name):
    # "Defaults ... with their source in the parameter's description"; "assumed" is a legal source, silence is not
    parameters = find_procedure(name)()._parameters
    silent = {
        key
        for key, one in parameters.items()
        if isinstance(one, QuantityParameter) and one.default is not None and not (one.description or "").strip()
    }
    assert not silent

"""What all tests share: no state of the user; property tests draw the same examples in each run, with no limit of time.

``LABCTL_EXAMPLES=6000 python -m pytest tests/faults -k properties`` draws so many per property (a million in all),
other ones each time.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

# fixtures of a function are fine here: no property changes what its fixture gave it
_HEALTH = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]
_EXAMPLES = int(os.environ.get("LABCTL_EXAMPLES", "0"))
settings.register_profile(
    "labctl",
    max_examples=_EXAMPLES or 200,
    derandomize=not _EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=_HEALTH,
)
settings.load_profile("labctl")


@pytest.fixture(scope="session", autouse=True)
def _home_of_nobody(tmp_path_factory):
    """Whatever a test forgets to put elsewhere comes into a folder of this worker, not of the user.

    Set once: set for each test, it would take the place of the folder that a fixture of a whole file has set.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        yield

"""The demo, as a newcomer starts it. Authority: the README, and what it says of five dies."""

import re

import pytest

from labctl.store import list_runs, open_run

pytestmark = pytest.mark.slow


def percentage(text, line):
    found = re.search(rf"(\d+\.\d+)\s?%[^\n]*{line}", text)
    assert found, f"no {line!r} in {text}"
    return float(found.group(1))


@pytest.mark.parametrize("seed", [1])
def test_demo_classifies_with_what_it_read_back(labctl_process, homes, seed):
    with labctl_process("demo", "--seed", seed, "-o", homes / "demo") as child:
        out, err = child.communicate(timeout=1800)
    assert child.returncode == 0, err
    assert "Traceback" not in err
    runs = list_runs(homes / "demo")
    assert [item["procedure"] for item in runs] == ["read_array", "program_array", "form_array"]
    assert {item["status"] for item in runs} == {"finished"}
    pages = list((homes / "demo").glob("*.html"))
    assert len(pages) == 1
    assert "Simulated" in pages[0].read_text(encoding="utf-8")
    assert open_run("latest", homes / "demo").header["seed"] == seed
    assert pages[0].name in out
    # the die of the demo is its own
    assert not (homes / "home").exists()
    assert percentage(out, "of 1024") >= 99.0
    assert percentage(out, "the same cells in the separate read") <= 1.79
    floating, ideal = percentage(out, "float weights"), percentage(out, "ideal 3-bit weights")
    read_back = percentage(out, "read-back conductances")
    assert floating >= 90.0
    assert ideal >= floating - 2.0
    # dies of seeds 1 to 5 lie 0.2 to 1.7 points below (README); one more stuck cell than on this die is let pass
    assert read_back >= ideal - 2.0

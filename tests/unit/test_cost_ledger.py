"""The cost ledger on rows made by hand.

Authority: issue 6 (pulses, reads, energy as the integral of V I); systems.md, section 6.17 (V^2 G t); energies that
are worked out by hand beside each row.
"""

import pytest

from labctl_procedures.system.cost_ledger import CostLedger

CYCLE_S = 0.02


def counted(*rows, integration_s=CYCLE_S, **settings):
    ledger = CostLedger(**settings)
    for row in rows:
        ledger.count({"Row": 0, "Column": 0} | row, integration_s=integration_s)
    return ledger


def reading(conductance_s, voltage_v=0.2, **more):
    shown = {"Current (A)": None if conductance_s is None else voltage_v * conductance_s}
    return {"Event": "read", "Voltage (V)": voltage_v, "Conductance (S)": conductance_s} | shown | more


def pulse(voltage_v, width_s=1e-4, **more):
    return {"Event": "set", "Voltage (V)": voltage_v, "Width (s)": width_s} | more


def test_pulse_carries_the_mean_of_the_readings_before_and_after():
    # 1 V^2 x (50 + 150) / 2 uS x 100 us = 10 nJ
    ledger = counted(reading(50e-6), pulse(1.0), reading(150e-6))
    assert ledger.pulse_energy_j == pytest.approx(1e-8)
    assert (ledger.pulses, ledger.device_time_s) == (1, pytest.approx(1e-4))


def test_pulses_between_two_readings_carry_the_same_mean():
    # (1 + 4) V^2 x 100 uS x 100 us
    ledger = counted(reading(50e-6), pulse(1.0), pulse(-2.0), reading(150e-6), reading(400e-6))
    assert ledger.pulse_energy_j == pytest.approx(5e-8)


def test_pulse_carries_the_reading_before_when_there_is_none_after():
    # 1 V^2 x 50 uS x 100 us, and the reading after is of another cell
    ledger = counted(reading(50e-6), pulse(1.0), reading(150e-6, Column=1))
    assert ledger.pulse_energy_j == pytest.approx(5e-9)
    # over range: no reading either
    assert counted(reading(50e-6), pulse(1.0), reading(None)).pulse_energy_j == pytest.approx(5e-9)


def test_pulse_of_a_cell_that_was_not_read_before_is_left_out_and_counted():
    ledger = counted(pulse(1.0), reading(50e-6))
    assert (ledger.pulses, ledger.pulses_without_energy, ledger.pulse_energy_j) == (1, 1, 0.0)


def test_every_pulse_of_a_train_counts():
    # 7 x 25 V^2 x (10 + 30) / 2 uS x 100 ms
    ledger = counted(reading(10e-6), pulse(5.0, 0.1, Event="train", Step=7), reading(30e-6))
    assert (ledger.pulses, ledger.pulse_energy_j) == (7, pytest.approx(7 * 25 * 20e-6 * 0.1))


def test_track_carries_what_the_file_says_whatever_is_read():
    ledger = counted(reading(10e-6), pulse(0.05, 1e-8), reading(90e-6), write_path_s=1e-4)
    assert ledger.pulse_energy_j == pytest.approx(0.05**2 * 1e-4 * 1e-8)


@pytest.mark.parametrize("integration_s", [CYCLE_S, 2e-4])
def test_reading_takes_its_own_integration_time(integration_s):
    # 0.2 V x 10 uA x t, and 0.1 V x 2 uA x t
    ledger = counted(reading(50e-6), reading(20e-6, 0.1), integration_s=integration_s)
    assert ledger.read_energy_j == pytest.approx((2e-6 + 2e-7) * integration_s)


def test_readings_over_range_and_at_nothing_count_too():
    ledger = counted(reading(50e-6), reading(None), {"Event": "zero", "Voltage (V)": 0.0, "Current (A)": 1e-9})
    assert (ledger.readings, ledger.readings_without_energy) == (3, 1)
    assert ledger.read_energy_j == pytest.approx(2e-6 * CYCLE_S)


def test_middle_of_a_bridge_is_a_reading_and_its_cells_conduct_in_series():
    bridge = {"Event": "bridge", "Voltage (V)": 1.2, "Lower column": 1, "Middle (V)": 0.3}
    cells = (reading(100e-6), reading(25e-6, Column=1))
    of_cells_j = (4e-6 + 1e-6) * CYCLE_S
    # 10 and 40 kohm in series carry 24 uA at 1.2 V
    alone = counted(*cells, bridge)
    assert (alone.readings, alone.readings_without_energy) == (3, 0)
    assert alone.read_energy_j == pytest.approx(of_cells_j + 1.2 * 24e-6 * CYCLE_S)
    # middle, then current: the voltage stands for both
    both = counted(*cells, bridge | {"Current (A)": 20e-6})
    assert both.readings == 4
    assert both.read_energy_j == pytest.approx(of_cells_j + 2 * 1.2 * 20e-6 * CYCLE_S)
    assert counted(bridge).readings_without_energy == 1


def test_computed_values_cost_nothing():
    assert counted({"Event": "computed", "Quantity": "accuracy", "Value": 1.0}).as_dict() == CostLedger().as_dict()

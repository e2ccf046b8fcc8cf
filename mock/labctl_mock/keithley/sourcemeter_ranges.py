"""Ranges of the Keithley 2450 and 2400: accuracy, resolution, noise and settling.

Sources: SPEC-2450 Rev. A and SPEC-2400 Rev. H (accuracy of source and measurement, 1 year, 23 °C ± 5 °C; RMS noise
below 10 Hz of the 2450, times 6.6 for peak to peak), the 2461 Reference Manual 2461-901-01 Rev. A, whose command set
the 2450 shares. From memory, not looked up: source accuracy and resolution of the 2400, the settling of the 2450's
current ranges (its automatic source delays), its noise on the 100 nA range and from 1 mA up. Assumed: noise of the
2400, which its data sheet does not state for measurements, as three digits of its resolution peak to peak; settling of
its current ranges, as those of the 2636B. Not here: how they act on a value (:mod:`labctl_mock.keithley.metering`).
"""

from labctl_mock.keithley.metering import Tables
from labctl_mock.keithley.ranges import Range, Spec

__all__ = ["OVER_RANGE", "RANGES_2400", "RANGES_2450"]

OVER_RANGE = 1.05  # both data sheets: 105 % of range can be sourced and measured

_RMS = 6.6

RANGES_2450 = Tables(
    voltage=(
        Range(20e-3, Spec(500e-9, 1e-3, 200e-6), Spec(10e-9, 1e-3, 150e-6), _RMS * 1e-6, 200e-6),
        Range(0.2, Spec(5e-6, 1.5e-4, 200e-6), Spec(100e-9, 1.2e-4, 200e-6), _RMS * 1e-6, 200e-6),
        Range(2.0, Spec(50e-6, 2e-4, 300e-6), Spec(1e-6, 1.2e-4, 300e-6), _RMS * 10e-6, 200e-6),
        Range(20.0, Spec(500e-6, 1.5e-4, 2.4e-3), Spec(10e-6, 1.5e-4, 1e-3), _RMS * 100e-6, 200e-6),
        Range(200.0, Spec(5e-3, 1.5e-4, 24e-3), Spec(100e-6, 1.5e-4, 10e-3), _RMS * 1e-3, 750e-6),
    ),
    current=(
        Range(10e-9, Spec(500e-15, 1e-3, 100e-12), Spec(10e-15, 1e-3, 50e-12), _RMS * 500e-15, 150e-3),
        Range(100e-9, Spec(5e-12, 6e-4, 150e-12), Spec(100e-15, 6e-4, 100e-12), _RMS * 500e-15, 100e-3),
        Range(1e-6, Spec(50e-12, 2.5e-4, 400e-12), Spec(1e-12, 2.5e-4, 300e-12), _RMS * 5e-12, 3e-3),
        Range(10e-6, Spec(500e-12, 2.5e-4, 1.5e-9), Spec(10e-12, 2.5e-4, 700e-12), _RMS * 40e-12, 2e-3),
        Range(100e-6, Spec(5e-9, 2e-4, 15e-9), Spec(100e-12, 2e-4, 6e-9), _RMS * 400e-12, 1e-3),
        Range(1e-3, Spec(50e-9, 2e-4, 150e-9), Spec(1e-9, 2e-4, 60e-9), _RMS * 5e-9, 1e-3),
        Range(10e-3, Spec(500e-9, 2e-4, 1.5e-6), Spec(10e-9, 2e-4, 600e-9), _RMS * 40e-9, 1e-3),
        Range(0.1, Spec(5e-6, 2.5e-4, 15e-6), Spec(100e-9, 2.5e-4, 6e-6), _RMS * 100e-9, 1e-3),
        Range(1.0, Spec(50e-6, 6.7e-4, 900e-6), Spec(1e-6, 3e-4, 500e-6), _RMS * 3e-6, 2e-3),
    ),
    derating=((1.0, 0.0), (0.1, 1e-4), (0.01, 5e-4)),
    headroom=OVER_RANGE,
)

RANGES_2400 = Tables(
    voltage=(
        Range(0.2, Spec(5e-6, 2e-4, 600e-6), Spec(1e-6, 1.2e-4, 300e-6), 3e-6, 100e-6),
        Range(2.0, Spec(50e-6, 2e-4, 600e-6), Spec(10e-6, 1.2e-4, 300e-6), 30e-6, 100e-6),
        Range(20.0, Spec(500e-6, 2e-4, 2.4e-3), Spec(100e-6, 1.5e-4, 1.5e-3), 300e-6, 100e-6),
        Range(200.0, Spec(5e-3, 2e-4, 24e-3), Spec(1e-3, 1.5e-4, 10e-3), 3e-3, 700e-6),
    ),
    current=(
        Range(1e-6, Spec(50e-12, 3.5e-4, 600e-12), Spec(10e-12, 2.9e-4, 300e-12), 30e-12, 2.5e-3),
        Range(10e-6, Spec(500e-12, 3.3e-4, 2e-9), Spec(100e-12, 2.7e-4, 700e-12), 300e-12, 500e-6),
        Range(100e-6, Spec(5e-9, 3.1e-4, 20e-9), Spec(1e-9, 2.5e-4, 6e-9), 3e-9, 150e-6),
        Range(1e-3, Spec(50e-9, 3.4e-4, 200e-9), Spec(10e-9, 2.7e-4, 60e-9), 30e-9, 100e-6),
        Range(10e-3, Spec(500e-9, 4.5e-4, 2e-6), Spec(100e-9, 3.5e-4, 600e-9), 300e-9, 80e-6),
        Range(0.1, Spec(5e-6, 6.6e-4, 20e-6), Spec(1e-6, 5.5e-4, 6e-6), 3e-6, 80e-6),
        Range(1.0, Spec(50e-6, 2.7e-3, 900e-6), Spec(10e-6, 2.2e-3, 570e-6), 30e-6, 120e-6),
    ),
    derating=((1.0, 0.0), (0.1, 1e-4), (0.01, 5e-4)),
    # 2400S-900-01: full scale is 105.5 % of the range's name
    headroom=1.055,
)

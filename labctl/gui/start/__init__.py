"""The first screen: one button to an I-V curve, the stations, the recent runs."""

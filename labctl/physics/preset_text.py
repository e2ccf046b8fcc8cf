"""Device parameter sets to TOML text, as :func:`labctl.physics.presets.load_preset` reads it.

Not here: device files that ``labctl fit`` writes, with what the fit says of itself
(:mod:`labctl.analysis.twin.device_file`).
"""

import json
from collections.abc import Mapping

from labctl.physics.presets import Parameter, Preset

__all__ = ["preset_text"]


def preset_text(base: Preset, *, name: str, title: str, changed: Mapping[str, Parameter]) -> str:
    """Return the text of a device file.

    Parameters
    ----------
    base : Preset
        Whose parameters and sources are kept where they are not changed.
    name, title : str
        Of the new parameter set.
    changed : mapping of str to Parameter
        In place of those of the base, or besides them.

    Returns
    -------
    str
    """
    lines = ["schema = 1", f"name = {_text(name)}", f"family = {_text(base.family)}", f"title = {_text(title)}"]
    for key in [*base, *(key for key in changed if key not in base)]:
        parameter = changed.get(key) or Parameter(
            tuple(float(value) for value in base.table(key)),
            base.is_table(key),
            base.unit(key),
            base.source(key),
            base.valid_range(key),
        )
        low, high = parameter.valid_range
        values = ", ".join(repr(float(value)) for value in parameter.values)
        lines += [
            "",
            f"[{key}]",
            f"value = [{values}]" if parameter.is_table else f"value = {values}",
            f"unit = {_text(parameter.unit)}",
            f"source = {_text(parameter.source)}",
            f"range = [{float(low)!r}, {float(high)!r}]",
        ]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    # a JSON string is a TOML string
    return json.dumps(text, ensure_ascii=True)

"""What was chosen in place of the bench file: another seed, other effects, a die with a name.

One small TOML file beside the die. Not here: the bench file (:mod:`labctl_mock.bench.bench_file`).
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from labctl.errors import StationError
from labctl_mock.bench.bench_file import BenchEffects
from labctl_mock.bench.strict_toml import parse_toml

__all__ = ["Overrides", "effect_names", "read_overrides", "write_overrides"]

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Overrides:
    """What differs from the bench file.

    Attributes
    ----------
    seed : int or None
        None keeps the seed of the bench file.
    effects : Mapping of str to bool
        Only the flags that were chosen.
    die : str or None
        Name of the die in the socket; None for the one that the bench comes with.
    """

    seed: int | None
    effects: Mapping[str, bool]
    die: str | None = None

    def effects_over(self, base: BenchEffects) -> BenchEffects:
        """Return ``base`` with the chosen flags in place of its own."""
        return BenchEffects(**{**base.as_dict(), **self.effects})


def read_overrides(path: Path) -> Overrides:
    """Read the overrides; there are none where there is no file.

    Raises
    ------
    StationError
        If the file is wrong or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Overrides(None, {})
    except (OSError, UnicodeDecodeError) as error:
        raise StationError(f"{path}: cannot be read ({error}); delete it or run `labctl bench reset`") from error
    top = parse_toml(text, str(path))
    schema = top.get("schema", int)
    if schema != _SCHEMA:
        raise top.error("schema", f"this labctl reads schema {_SCHEMA}, got {schema}; run `labctl bench reset`")
    seed = top.get("seed", int) if top.has("seed") else None
    die = top.get("die", str) if top.has("die") else None
    effects: dict[str, bool] = {}
    if top.has("effects"):
        table = top.table("effects")
        effects = {name: table.get(name, bool) for name in effect_names() if table.has(name)}
        table.finish()
    top.finish()
    return Overrides(seed, effects, die)


def write_overrides(path: Path, overrides: Overrides) -> None:
    """Write the overrides in one step; without any, remove the file.

    Raises
    ------
    StationError
        If the file cannot be written.
    """
    lines = ["# written by the bench and by `labctl bench reset`", f"schema = {_SCHEMA}"]
    if overrides.seed is not None:
        lines.append(f"seed = {overrides.seed}")
    if overrides.die is not None:
        lines.append(f"die = {json.dumps(overrides.die)}")
    if overrides.effects:
        lines += ["[effects]", *(f"{name} = {json.dumps(on)}" for name, on in overrides.effects.items())]
    try:
        if len(lines) == 2:
            path.unlink(missing_ok=True)
            return
        fresh = path.with_name(path.name + ".new")
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        os.replace(fresh, path)
    except OSError as error:
        raise StationError(f"{path}: cannot be written: {error.strerror}; check the folder") from error


def effect_names() -> tuple[str, ...]:
    """Return the names of all effects."""
    return tuple(field.name for field in fields(BenchEffects))

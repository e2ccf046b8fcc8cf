"""A bench of a user's own: the rack of a known bench with dies of another device.

Not here: its station file (:mod:`labctl.station.new_station`), reading bench files
(:mod:`labctl_mock.bench.bench_file`).
"""

from pathlib import Path

from labctl.errors import StationError
from labctl.home import labctl_home
from labctl.physics.live_die import make_die
from labctl.physics.presets import load_preset
from labctl.toml_file import replace_values
from labctl_mock.bench.bench_file import OWN_BENCH, bench_names, check_bench_text, load_bench_file

__all__ = ["bench_like", "write_bench"]


def bench_like(family: str) -> str:
    """Return the known bench with the largest die of a device family; for look-up curves, of any two terminals.

    Parameters
    ----------
    family : str

    Returns
    -------
    str

    Raises
    ------
    StationError
        If there is none.
    """
    sizes = {}
    for name in bench_names():
        try:
            die = load_bench_file(name).die
            its_family = load_preset(die.device).family
        except StationError:
            continue  # a broken bench of the user is no matter of the new one
        if _rack_fits(family, its_family):
            sizes[name] = die.rows * die.columns
    if not sizes:
        raise StationError(f"no known bench has dies of family {family}; name one whose rack fits with --like")
    return max(sizes, key=lambda name: sizes[name])


def write_bench(name: str, device: Path, like: str, *, seed: int | None = None) -> Path:
    """Write a bench file into the per-user folder, and a copy of the device file beside it.

    Parameters
    ----------
    name : str
        Of the new bench; not one that is known.
    device : Path
        Device file of its dies.
    like : str
        Bench whose rack, wires and size it gets.
    seed : int, optional
        Of the die; left out, that of ``like``.

    Returns
    -------
    Path
        The bench file.

    Raises
    ------
    StationError
        If the name is taken or none, a file is wrong, or no die can be made of the device.
    """
    if name in bench_names():
        raise StationError(f"bench {name}: is there already and stays; choose another with --name")
    preset = load_preset(device)
    template = load_bench_file(like)
    if not _rack_fits(preset.family, family := load_preset(template.die.device).family):
        raise StationError(
            f"{device}: is of family {preset.family}, the dies of bench {like} are of {family}; name another bench with"
            " --like"
        )
    # a device file that no die can be made of is refused here, not by the first run
    make_die(preset, 1, 1, 0)
    folder = labctl_home() / "benches" / name
    copy, path = folder / "device.toml", folder / OWN_BENCH
    values: dict[str, str | int] = {"name": name, "die.device": str(copy)}
    if seed is not None:
        values["seed"] = seed
    try:
        text = replace_values(Path(template.file).read_text(encoding="utf-8"), template.file, values)
        # before anything is written: the name becomes that of a folder
        check_bench_text(text, f"bench {name}")
        folder.mkdir(parents=True, exist_ok=True)
        copy.write_text(device.read_text(encoding="utf-8"), encoding="utf-8", newline="\n")
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StationError(f"{folder}: the bench cannot be written: {error}; check the folder") from error
    return path


def _rack_fits(family: str, of_bench: str) -> bool:
    """Tell whether dies of a family go into a bench made for another: curves of two terminals into that of oxides."""
    return family == of_bench or (family, of_bench) in {("pulse_table", "metal_oxide"), ("pulse_table", "data_driven")}

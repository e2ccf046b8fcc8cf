"""What runs differ by besides their results: parameters, station, sample, seed, instruments, versions.

Not here: their results (:mod:`labctl.analysis.comparison`).
"""

from collections.abc import Sequence
from hashlib import sha256

from labctl.store import Run

__all__ = ["differences"]


def differences(runs: Sequence[Run]) -> dict[str, tuple[str, ...]]:
    """Return parameters and circumstances that are not the same in all runs.

    Parameters
    ----------
    runs : sequence of Run

    Returns
    -------
    dict of str to tuple of str
        By name, the text of each run; "" where a run has none.
    """
    facts = [_facts(run) for run in runs]
    names = dict.fromkeys(name for found in facts for name in found)
    texts = {name: tuple(found.get(name, "") for found in facts) for name in names}
    return {name: found for name, found in texts.items() if len(set(found)) > 1}


def _facts(run: Run) -> dict[str, str]:
    """Return parameters and circumstances, as text."""
    header = run.header
    bench = header.get("bench") or {}
    effects = bench.get("effects") or {}
    facts: dict[str, object] = {
        **{f"parameter {name}": text for name, text in run.parameter_texts.items()},
        "status": run.status,
        "station": header["station"],
        "station file": header.get("station_file"),
        "text of the station file": _digest(header.get("station_text")),
        **{f"sample: {name}": value for name, value in (header.get("sample") or {}).items()},
        "simulated": "yes" if header["simulated"] else "no",
        "seed": header.get("seed"),
        "SHA-256 of the bench file": bench.get("sha256"),
        "effects switched off": ", ".join(sorted(name for name, is_on in effects.items() if not is_on)),
        **{f"version of {name}": number for name, number in (header.get("versions") or {}).items()},
        "platform": header.get("platform"),
        **{
            f"instrument {key}": " ".join(str(who[part]) for part in ("maker", "model", "serial", "firmware"))
            for key, who in run.instruments.items()
        },
    }
    return {name: str(value) for name, value in facts.items() if value not in (None, "", {})}


def _digest(text: str | None) -> str | None:
    return None if text is None else f"SHA-256 {sha256(text.encode('utf-8')).hexdigest()[:12]}"

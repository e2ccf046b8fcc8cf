"""The Lua face of the trigger model: ``smuX.trigger`` and ``trigger``.

Source: 2600BS-901-01 Rev. F, section 9. Left out: ``trigger.generator``, LAN and digital triggers, ``autoclear``,
``trigger.source.limitv`` and ``limiti`` (the static limits hold during sweeps).
"""

from collections.abc import Callable, Sequence
from math import log

from labctl_mock.keithley.smu_channel import READERS
from labctl_mock.keithley.smu_source import AMPS, VOLTS
from labctl_mock.keithley.trigger_model import (
    COMMAND_EVENT,
    LAYER_EVENTS,
    STAGES,
    Blender,
    Sweep,
    Timer,
    TriggerModel,
)
from labctl_mock.tsp.buffers import ReadingBuffer
from labctl_mock.tsp.faults import TspFault
from labctl_mock.tsp.objects import TspObject, Value, choice, number, switch

__all__ = ["sweep_tree", "trigger_tree"]

_MAX_POINTS = 60_000


def sweep_tree(
    model: TriggerModel, index: int, resolve: Callable[[object], tuple[ReadingBuffer, str | None]]
) -> TspObject:
    """Return ``smua.trigger`` (index 0) or ``smub.trigger`` (index 1).

    Parameters
    ----------
    model : TriggerModel
        What it stands for.
    index : int, unit 1
        Of the channel.
    resolve : callable
        Turns a script's reference into a reading buffer.

    Returns
    -------
    TspObject
    """

    def sweep() -> Sweep:
        return model.sweeps[index]

    tree = TspObject(luatype="smu_trigger")
    tree.constants.update({f"{name}_EVENT_ID": sweep().event(name) for name in LAYER_EVENTS})
    _field(tree, "count", lambda: sweep().count, lambda value: _set(sweep(), "count", _points(value)))
    tree.functions["initiate"] = lambda: model.initiate(sweep())
    for stage in STAGES:
        tree.children[stage] = _stage(sweep, stage)
    tree.children["endsweep"] = TspObject()
    arm, source, measure, endpulse = (tree.children[stage] for stage in STAGES)
    _field(arm, "count", lambda: sweep().arm_count, lambda value: _set(sweep(), "arm_count", _points(value)))
    for part, name, attribute in (
        (source, "action", "source_enabled"),
        (measure, "action", "measure_enabled"),
        (endpulse, "action", "endpulse_holds"),
        (tree.children["endsweep"], "action", "endsweep_holds"),
    ):
        _action(part, name, sweep, attribute)
    _add_source(source, sweep)
    _add_measure(measure, sweep, resolve)
    return tree


def _set(target: object, name: str, value: object) -> None:
    setattr(target, name, value)


def _points(value: Value) -> int:
    return int(number(value, 1, _MAX_POINTS))


def _event(value: Value) -> int:
    return int(number(value, 0, 100))


def _field(tree: TspObject, name: str, read: Callable[[], Value], write: Callable[[Value], None]) -> None:
    tree.getters[name] = read
    tree.setters[name] = write


def _action(tree: TspObject, name: str, sweep: Callable[[], Sweep], attribute: str) -> None:
    # 2 is ASYNC, which only measure knows; a measurement here never runs beside the end of its pulse
    allowed = (0, 1, 2) if attribute == "measure_enabled" else (0, 1)
    _field(
        tree,
        name,
        lambda: int(getattr(sweep(), attribute)),
        lambda value: _set(sweep(), attribute, choice(value, allowed)),
    )


def _stage(sweep: Callable[[], Sweep], stage: str) -> TspObject:
    tree = TspObject()

    def write(value: Value) -> None:
        sweep().stimulus[stage] = _event(value)

    def latch() -> None:
        sweep().latched[stage] = True

    _field(tree, "stimulus", lambda: sweep().stimulus[stage], write)
    tree.functions["set"] = latch
    return tree


def _add_source(tree: TspObject, sweep: Callable[[], Sweep]) -> None:
    for letter, function in (("v", VOLTS), ("i", AMPS)):
        _add_levels(tree, sweep, letter, function)


def _add_levels(tree: TspObject, sweep: Callable[[], Sweep], letter: str, function: int) -> None:
    def take(levels: Sequence[Value]) -> None:
        values = [number(level) for level in levels]
        if not values:
            raise TspFault(-286, "TSP Runtime error: a list of levels is empty")
        sweep().source_function, sweep().levels = function, values

    def linear(*arguments: Value) -> None:
        start, stop, points = _three(arguments)
        take([start + (stop - start) * index / max(points - 1, 1) for index in range(points)])

    def logarithmic(*arguments: Value) -> None:
        start, stop, points = _three(arguments)
        asymptote = number(arguments[3]) if len(arguments) > 3 else 0.0
        low, high = start - asymptote, stop - asymptote
        if low * high <= 0.0:
            raise TspFault(-286, "TSP Runtime error: start and stop must lie on one side of the asymptote")
        step = log(high / low) / max(points - 1, 1)
        take([asymptote + low * 2.718281828459045 ** (step * index) for index in range(points)])

    tree.list_functions[f"list{letter}"] = take
    tree.functions[f"linear{letter}"] = linear
    tree.functions[f"log{letter}"] = logarithmic


def _three(arguments: Sequence[Value]) -> tuple[float, float, int]:
    start, stop, points = (*arguments, None, None, None)[:3]
    return number(start), number(stop), _points(points)


def _add_measure(
    tree: TspObject, sweep: Callable[[], Sweep], resolve: Callable[[object], tuple[ReadingBuffer, str | None]]
) -> None:
    def chooser(letters: str) -> Callable[[Value, Value], None]:
        def choose(first: Value, second: Value) -> None:
            given = [resolve(reference)[0] for reference in (first, second)[: len(letters)]]
            sweep().letters, sweep().buffers = letters, given

        return choose

    for letters in (*READERS, "iv"):
        tree.functions[letters] = chooser(letters)


def trigger_tree(model: TriggerModel, sleep: Callable[[float], None]) -> TspObject:
    """Return the global table ``trigger``.

    Parameters
    ----------
    model : TriggerModel
        What it stands for.
    sleep : callable
        Lets time pass, unit s.

    Returns
    -------
    TspObject
    """
    tree = TspObject(constants={"EVENT_ID": COMMAND_EVENT})

    def wait(timeout_s: Value) -> bool:
        duration_s = number(timeout_s, 0.0, 100_000.0)
        latched, model.command_latched = model.command_latched, False
        if not latched:
            sleep(duration_s)
        return latched

    def clear() -> None:
        model.command_latched = False

    tree.functions.update(wait=wait, clear=clear)
    tree.children["timer"] = TspObject()
    for index in range(len(model.timers)):
        tree.children["timer"].children[index + 1] = _timer(lambda index=index: model.timers[index])  # type: ignore[misc]
    tree.children["blender"] = TspObject()
    for index in range(len(model.blenders)):
        tree.children["blender"].children[index + 1] = _blender(
            lambda index=index: model.blenders[index]  # type: ignore[misc]
        )
    return tree


def _timer(timer: Callable[[], Timer]) -> TspObject:
    def set_delays(values: Sequence[Value]) -> None:
        delays_s = [number(value, 0.5e-6, 100_000.0) for value in values]
        if not delays_s:
            raise TspFault(-286, "TSP Runtime error: a list of delays is empty")
        timer().delays_s = delays_s

    tree = TspObject(constants={"EVENT_ID": timer().event}, list_functions={"setdelaylist": set_delays})
    _field(tree, "delay", lambda: timer().delays_s[0], lambda value: set_delays([value]))
    _field(tree, "count", lambda: timer().count, lambda value: _set(timer(), "count", _points(value)))
    _field(tree, "stimulus", lambda: timer().stimulus, lambda value: _set(timer(), "stimulus", _event(value)))
    _field(
        tree,
        "passthrough",
        lambda: timer().passes_through,
        lambda value: _set(timer(), "passes_through", switch(value)),
    )
    tree.functions["clear"] = lambda: None
    return tree


def _blender(blender: Callable[[], Blender]) -> TspObject:
    tree = TspObject(constants={"EVENT_ID": blender().event})
    _field(tree, "orenable", lambda: bool(blender().is_or), lambda value: _set(blender(), "is_or", switch(value)))
    stimulus = TspObject()

    def add(place: int) -> None:
        def write(value: Value) -> None:
            blender().stimuli[place] = _event(value)

        _field_at(stimulus, place + 1, lambda: blender().stimuli[place], write)

    for place in range(4):
        add(place)
    tree.children["stimulus"] = stimulus
    tree.functions["clear"] = lambda: blender().seen.clear()
    return tree


def _field_at(tree: TspObject, key: int, read: Callable[[], Value], write: Callable[[Value], None]) -> None:
    tree.getters[key] = read
    tree.setters[key] = write

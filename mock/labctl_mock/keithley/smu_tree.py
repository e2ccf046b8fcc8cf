"""The Lua face of a 2636B channel: the tables ``smua`` and ``smub``.

Only names and wiring; what they do lies in the channel. Source: 2600BS-901-01 Rev. F, section 9. Left out:
``smuX.cal``, ``smuX.contact``, ``smuX.savebuffer`` and ``smuX.buffer``, ``source.calibratev`` and the like.
"""

from collections.abc import Callable

from labctl_mock.keithley.smu_channel import READERS, SmuChannel
from labctl_mock.keithley.smu_measure import MeasureSide
from labctl_mock.keithley.smu_source import AMPS, VOLTS, SourceSide
from labctl_mock.tsp.buffers import ReadingBuffer
from labctl_mock.tsp.faults import TspFault
from labctl_mock.tsp.objects import TspObject, Value, choice, number, switch

__all__ = ["smu_tree"]

_CONSTANTS: dict[str, Value] = {
    "OUTPUT_DCAMPS": 0,
    "OUTPUT_DCVOLTS": 1,
    "OUTPUT_OFF": 0,
    "OUTPUT_ON": 1,
    "OUTPUT_HIGH_Z": 2,
    "OUTPUT_NORMAL": 0,
    "OUTPUT_ZERO": 1,
    "AUTORANGE_OFF": 0,
    "AUTORANGE_ON": 1,
    "AUTORANGE_FOLLOW_LIMIT": 2,
    "AUTOZERO_OFF": 0,
    "AUTOZERO_ONCE": 1,
    "AUTOZERO_AUTO": 2,
    "SENSE_LOCAL": 0,
    "SENSE_REMOTE": 1,
    "DELAY_OFF": 0,
    "DELAY_AUTO": -1,
    "FILTER_OFF": 0,
    "FILTER_ON": 1,
    "FILTER_MOVING_AVG": 0,
    "FILTER_REPEAT_AVG": 1,
    "FILTER_MEDIAN": 2,
    "REL_OFF": 0,
    "REL_ON": 1,
    "SETTLE_SMOOTH": 0,
    "SETTLE_FAST_RANGE": 1,
    "SETTLE_FAST_POLARITY": 2,
    "SETTLE_DIRECT_IRANGE": 3,
    "SETTLE_SMOOTH_100NA": 4,
    "SETTLE_FAST_ALL": 128,
    "OE_NONE": 0,
    "OE_OUTPUT_OFF": 1,
    "DISABLE": 0,
    "ENABLE": 1,
    "ASYNC": 2,
    "SOURCE_IDLE": 0,
    "SOURCE_HOLD": 1,
}

ResolveBuffer = Callable[[object], tuple[ReadingBuffer, str | None]]


def smu_tree(channel: SmuChannel, resolve: ResolveBuffer, trigger: TspObject) -> TspObject:
    """Return the table of one channel.

    Parameters
    ----------
    channel : SmuChannel
        What it stands for.
    resolve : callable
        Turns a script's reference into a reading buffer.
    trigger : TspObject
        The channel's table ``trigger``.

    Returns
    -------
    TspObject
    """
    tree = TspObject(luatype="smu", constants=dict(_CONSTANTS))
    tree.children.update(source=_source(channel), measure=_measure(channel, resolve), trigger=trigger)
    tree.functions["reset"] = channel.reset
    tree.functions["abort"] = lambda: None
    tree.buffers.update(channel.buffers)
    tree.makers["makebuffer"] = lambda size: ReadingBuffer(int(number(size, 1, 200_000)))

    def sense(value: Value) -> None:
        channel.meter.sense = choice(value, (0, 1))

    tree.getters["sense"] = lambda: channel.meter.sense
    tree.setters["sense"] = sense
    return tree


def _source(channel: SmuChannel) -> TspObject:
    source = channel.source
    tree = TspObject()
    tree.getters.update(
        func=lambda: source.function,
        output=lambda: source.output,
        levelv=lambda: source.voltage.level,
        leveli=lambda: source.current.level,
        limitv=lambda: source.limit_v,
        limiti=lambda: source.limit_a,
        limitp=lambda: source.limit_w,
        delay=lambda: source.delay_s,
        offmode=lambda: source.off_mode,
        offfunc=lambda: source.off_function,
        offlimiti=lambda: source.off_limit_a,
        offlimitv=lambda: source.off_limit_v,
        compliance=lambda: source.output == 1 and channel.meter.limits_now(),
    )
    tree.setters.update(
        func=source.set_function,
        output=source.set_output,
        levelv=source.set_level_v,
        leveli=source.set_level_a,
        limitv=source.set_limit_v,
        limiti=source.set_limit_a,
        limitp=source.set_limit_w,
        delay=source.set_delay,
        offmode=source.set_off_mode,
        offfunc=source.set_off_function,
        offlimiti=source.set_off_limit_a,
        offlimitv=source.set_off_limit_v,
        rangev=source.set_range_v,
        rangei=source.set_range_a,
    )
    for letter, function in (("v", VOLTS), ("i", AMPS)):
        _add_source_side(tree, letter, channel, function)
    for name in ("highc", "sink"):
        tree.hold(name, 0, switch)
    tree.hold("settling", 0, lambda value: choice(value, (0, 1, 2, 3, 4, 128)))
    tree.hold("outputenableaction", 0, lambda value: choice(value, (0, 1)))
    return tree


def _add_source_side(tree: TspObject, letter: str, channel: SmuChannel, function: int) -> None:
    source = channel.source

    def side() -> SourceSide:
        return source.voltage if function == VOLTS else source.current

    tree.getters[f"range{letter}"] = lambda: side().rng.full_scale
    tree.getters[f"lowrange{letter}"] = lambda: side().lowest.full_scale
    tree.getters[f"autorange{letter}"] = lambda: int(side().is_auto)
    tree.setters[f"lowrange{letter}"] = lambda value: source.set_lowest(side(), value)
    tree.setters[f"autorange{letter}"] = lambda value: source.set_auto(side(), value)


def _measure(channel: SmuChannel, resolve: ResolveBuffer) -> TspObject:
    meter = channel.meter
    tree = TspObject()
    tree.getters.update(
        nplc=lambda: meter.plc,
        count=lambda: meter.count,
        interval=lambda: meter.interval_s,
        delay=lambda: meter.delay_s,
        delayfactor=lambda: meter.delay_factor,
    )
    tree.setters.update(
        nplc=meter.set_plc,
        count=meter.set_count,
        interval=meter.set_interval,
        delay=meter.set_delay,
        delayfactor=meter.set_delay_factor,
    )
    tree.hold("autozero", 2, lambda value: choice(value, (0, 1, 2)))
    tree.hold("analogfilter", 1, switch)
    for letter, function in (("v", VOLTS), ("i", AMPS)):
        _add_measure_side(tree, letter, channel, function)
    for letters in (*READERS, "iv"):
        reader = _reader(channel, letters, resolve)
        tree.functions[letters] = reader
        # an overlapped measurement is made at once: nothing else of this instrument could run beside it
        tree.functions[f"overlapped{letters}"] = _silent(reader)
    tree.children.update(filter=_filter(channel), rel=_rel(channel))
    return tree


def _reader(channel: SmuChannel, letters: str, resolve: ResolveBuffer) -> Callable[[Value, Value], object]:
    def read(first: Value, second: Value) -> object:
        given = [reference for reference in (first, second) if reference is not None]
        if len(given) > len(letters):
            raise TspFault(-286, "TSP Runtime error: too many reading buffers")
        values = channel.measure(letters, [resolve(reference)[0] for reference in given])
        return tuple(values) if len(values) > 1 else values[0]

    return read


def _silent(reader: Callable[[Value, Value], object]) -> Callable[[Value, Value], None]:
    def start(first: Value, second: Value) -> None:
        if first is None:
            raise TspFault(-286, "TSP Runtime error: reading buffer expected")
        reader(first, second)

    return start


def _add_measure_side(tree: TspObject, letter: str, channel: SmuChannel, function: int) -> None:
    meter = channel.meter

    def side() -> MeasureSide:
        return meter.voltage if function == VOLTS else meter.current

    tree.getters[f"range{letter}"] = lambda: meter.active_range(side(), function).full_scale
    tree.getters[f"lowrange{letter}"] = lambda: side().lowest.full_scale
    tree.getters[f"autorange{letter}"] = lambda: int(side().is_auto)
    tree.setters[f"range{letter}"] = lambda value: meter.set_range(side(), value)
    tree.setters[f"lowrange{letter}"] = lambda value: meter.set_lowest(side(), value)
    tree.setters[f"autorange{letter}"] = lambda value: meter.set_auto(side(), value)


def _filter(channel: SmuChannel) -> TspObject:
    meter = channel.meter

    def count(value: Value) -> None:
        meter.filter_count = int(number(value, 1, 100))

    def kind(value: Value) -> None:
        meter.filter_type = choice(value, (0, 1, 2))

    def enable(value: Value) -> None:
        meter.filter_enabled = switch(value)

    tree = TspObject(setters={"count": count, "type": kind, "enable": enable})
    tree.getters.update(
        count=lambda: meter.filter_count, type=lambda: meter.filter_type, enable=lambda: meter.filter_enabled
    )
    return tree


def _rel(channel: SmuChannel) -> TspObject:
    tree = TspObject()
    for letter, function in (("v", VOLTS), ("i", AMPS)):
        _add_rel_side(tree, letter, channel, function)
    return tree


def _add_rel_side(tree: TspObject, letter: str, channel: SmuChannel, function: int) -> None:
    def side() -> MeasureSide:
        return channel.meter.voltage if function == VOLTS else channel.meter.current

    def enable(value: Value) -> None:
        side().rel_enabled = switch(value)

    def level(value: Value) -> None:
        side().rel_level = number(value)

    tree.getters[f"enable{letter}"] = lambda: side().rel_enabled
    tree.getters[f"level{letter}"] = lambda: side().rel_level
    tree.setters[f"enable{letter}"] = enable
    tree.setters[f"level{letter}"] = level

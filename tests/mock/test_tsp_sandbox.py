"""The Lua engine: what a script can reach, and what happens when it runs away.

Authority: Lua 5.1 reference manual for the language; 2600BS-901-01 Rev. F for TSP's own functions and error numbers.
The escapes are the known ways out of a Lua sandbox and out of lupa.
"""

import pytest

from labctl_mock.tsp.buffers import ReadingBuffer
from labctl_mock.tsp.engine import TspEngine
from labctl_mock.tsp.objects import TspObject, Value, number


class Bench:
    """An engine with one small object tree, its output and its errors."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[tuple[int, str]] = []
        self.level = 0.0
        self.engine = TspEngine(
            report=lambda code, text: self.errors.append((code, text)),
            emit=self.lines.append,
            globals_=self._tree,
            precision=6,
        )

    def _tree(self) -> TspObject:
        def write(value: Value) -> None:
            self.level = number(value, -200.0, 200.0)

        def broken() -> None:
            raise KeyError("a fault of the simulation itself")

        source = TspObject(getters={"levelv": lambda: self.level, "fixed": lambda: 1}, setters={"levelv": write})
        smu = TspObject(luatype="smu", children={"source": source}, constants={"OUTPUT_ON": 1})
        smu.functions.update(i=lambda: 1.5e-6, broken=broken)
        smu.buffers["nvbuffer1"] = ReadingBuffer(10)
        smu.makers["makebuffer"] = lambda size: ReadingBuffer(int(number(size)))
        return TspObject(children={"smua": smu})

    def run(self, chunk: str) -> list[str]:
        self.lines.clear()
        self.errors.clear()
        self.engine.run(chunk)
        return list(self.lines)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    "name",
    [
        *("python", "io", "os", "debug", "package", "require", "module", "dofile", "loadfile", "load"),
        *("getfenv", "setfenv", "newproxy", "coroutine"),
    ],
)
def test_sandbox_lacks_way_out_when_script_asks_for_it(bench, name):
    assert bench.run(f"print({name})") == ["nil"]


@pytest.mark.parametrize(
    "chunk",
    [
        "python.eval('1')",
        "smua.i.__class__.__base__.__subclasses__()",
        "smua.__class__()",
        "getmetatable('').__index.dump(print)",
        "string.dump(function() end)",
        "loadstring(string.char(27)..'Lua')()",
        "smua.source.levelv=smua",
        "smua.source.levelv=print",
        "getmetatable(smua.i).__index()",
        "unpack({},0,2^31-1)",
        "_G.os.exit()",
        "require('python')",
    ],
)
def test_sandbox_refuses_escape_and_lives_on(bench, chunk):
    assert bench.run(chunk) == []
    assert [code for code, _ in bench.errors] == [-286]
    assert bench.run("print(1)") == ["1.00000e+00"]


def test_sandbox_shows_no_userdata_when_everything_reachable_is_walked(bench):
    # every Python object would be userdata: walk globals, metatables and their fields
    walk = """
    local seen, found = {}, 0
    local function visit(value)
      if type(value) == "userdata" then found = found + 1 end
      if type(value) ~= "table" or seen[value] then return end
      seen[value] = true
      for k, v in next, value do visit(k) visit(v) end
      local mt = getmetatable(value)
      if mt then visit(mt) end
    end
    visit(_G) visit(getmetatable(""))
    print(found)
    """
    assert bench.run(walk) == ["0.00000e+00"]
    assert not bench.errors


@pytest.mark.parametrize(
    "chunk",
    [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() return f() end f()",
        "xpcall(function() error('a') end, function() while true do end end)",
        "print(setmetatable({}, {__tostring = function() while true do end end}))",
        "repeat until false",
    ],
)
def test_engine_stops_loop_when_it_runs_away(bench, chunk):
    assert bench.run(chunk) == []
    assert bench.errors == [(-286, "TSP Runtime error at line 1: instruction limit exceeded")]
    assert bench.run("print(2)") == ["2.00000e+00"]


@pytest.mark.parametrize(
    "chunk",
    [
        "x = 'x' while true do x = x .. x end",
        "x = {} for i = 1, 1e9 do x[i] = i end",
        "math.x = {} for i = 1, 1e6 do math.x[i] = {} end",
        "x = string.rep('a', 1e9)",
        "x = string.rep('', 2^52)",
        "for i = 1, 1e6 do smua.makebuffer(1000) end",
        "local s = string.rep('x', 1e6) while true do print(s) end",
        "local function f() return 1 + f() end f()",
        "string.find(string.rep('a', 200), string.rep('a-', 20) .. 'b')",
    ],
)
def test_engine_lives_on_when_script_eats_memory_or_time(bench, chunk):
    bench.run(chunk)
    assert bench.errors
    assert {code for code, _ in bench.errors} == {-286}
    assert bench.run("smua.source.levelv=3 print(smua.source.levelv)") == ["3.00000e+00"]


def test_engine_forgets_globals_when_they_fill_memory(bench):
    # 2 MB of text do not hurt; more than the engine may hold is thrown away with everything else
    bench.run("keep = string.rep('a', 1e6)")
    assert bench.run("print(#keep)") == ["1.00000e+06"]
    bench.run("more = {} for i = 1, 1e9 do more[i] = i end")
    assert bench.run("print(keep, more)") == ["nil\tnil"]


def test_chunk_stops_at_fault_when_instrument_refuses(bench):
    # refused, not clipped; 1101 is "Parameter too big"
    assert bench.run("print('before') smua.source.levelv=500 print('after')") == ["before"]
    assert bench.errors == [(1101, "Parameter too big")]
    assert bench.level == 0.0


def test_pcall_returns_text_when_instrument_refuses(bench):
    assert bench.run("print(pcall(function() smua.source.levelv=-500 end))") == ["false\tParameter too small"]


def test_fault_of_simulation_is_not_swallowed_when_script_uses_pcall(bench):
    with pytest.raises(KeyError, match="simulation itself"):
        bench.run("pcall(smua.broken)")
    assert bench.run("print(1)") == ["1.00000e+00"]


@pytest.mark.parametrize(
    ("chunk", "error"),
    [
        ("x = = 1", (-285, "TSP Syntax error at line 1: unexpected symbol near '='")),
        ("a = 1\n\nb.c = 2", (-286, "TSP Runtime error at line 3: attempt to index global 'b' (a nil value)")),
        ("smua.source.fixed = 2", (-286, "TSP Runtime error at line 1: attribute 'fixed' is read-only")),
        ("smua.OUTPUT_ON = 2", (-286, "TSP Runtime error at line 1: attribute 'OUTPUT_ON' is read-only")),
        ("smua.source.nonsense = 2", (-286, "TSP Runtime error at line 1: no attribute 'nonsense'")),
        ("smua.source.levelv = 'high'", (-286, "TSP Runtime error: number expected, got string")),
        ("smua.source.levelv = nil", (-286, "TSP Runtime error: number expected, got nil")),
        ("smua.source.levelv = 0/0", (1101, "Parameter too big")),
    ],
)
def test_engine_reports_error_with_line_when_chunk_is_wrong(bench, chunk, error):
    assert bench.run(chunk) == []
    assert bench.errors == [error]


@pytest.mark.parametrize(
    ("chunk", "line"),
    [
        ("print(1)", "1.00000e+00"),
        ("print(-1.5e-6, nil, true, 'text')", "-1.50000e-06\tnil\ttrue\ttext"),
        ("print()", ""),
        ("print(smua.OUTPUT_ON, smua.i(), smua.nothing)", "1.00000e+00\t1.50000e-06\tnil"),
        ("print(smua.nvbuffer1.n, smua.nvbuffer1[1], smua.nvbuffer1.readings[3])", "0.00000e+00\tnil\tnil"),
    ],
)
def test_print_formats_as_tsp_does(bench, chunk, line):
    # 2600BS-901-01: format.asciiprecision 6, tabs between values
    assert bench.run(chunk) == [line]


def test_metatables_carry_what_introspecting_drivers_walk(bench):
    # what the public keithley2600 driver walks: next(mt.Getters, k), mt.Setters[k], next(mt.Objects, k), mt.luatype
    bench.run("mt = getmetatable(smua.source)")
    assert bench.run("print(type(mt.Getters.levelv), type(mt.Setters.levelv), mt.Setters.fixed)") == [
        "function\tfunction\tnil"
    ]
    bench.run("mt = getmetatable(smua)")
    assert bench.run("print(mt.luatype, type(mt.Objects.source), type(mt.Objects.i), mt.Objects.OUTPUT_ON)") == [
        "smu\ttable\tfunction\t1.00000e+00"
    ]
    assert bench.run("print(next(mt.Getters))") == ["nil"]


def test_makesetter_and_makegetter_work_as_factory_functions(bench):
    # 2600BS-901-01 section 9, makegetter() and makesetter()
    bench.run("set = makesetter(smua.source, 'levelv') get = makegetter(smua.source, 'levelv')")
    assert bench.run("set(1.25) print(get())") == ["1.25000e+00"]


def test_chunk_too_deep_for_the_parser_is_a_syntax_error(bench):
    # Lua 5.1 limits nesting to 200 levels (LUAI_MAXCCALLS)
    bench.run("return " + "(" * 300 + "1" + ")" * 300)
    assert [code for code, _ in bench.errors] == [-285]

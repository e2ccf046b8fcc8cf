-- The inside of a TSP engine: what a script may see, and how calls cross to Python.
-- The chunk gets (emit, fault_text, push, soft_kilobytes, ticks) and returns a table of functions for Python. Scripts run
-- in `env`; this chunk's own globals stay hidden: getfenv, debug, python and coroutine are not handed on.
local emit, fault_text, push, soft_kilobytes, ticks = ...

local error, type, tostring, pairs, rawget, rawset, setmetatable, getmetatable, select, setfenv =
  error, type, tostring, pairs, rawget, rawset, setmetatable, getmetatable, select, setfenv
local raw_pcall, raw_loadstring, collect, kilobytes = pcall, loadstring, collectgarbage, gcinfo
local concat, format, rep, gsub, byte, sub = table.concat, string.format, string.rep, string.gsub, string.byte, string.sub

local FAULT, EXIT, SPENT = "\1fault", "\1exit", "\1spent"
local spent, used = false, 0
local number_format = "%.5e"

-- a count hook that scripts cannot reach: coroutines, which would run without it, are not handed on
debug.sethook(function()
  used = used + 1
  if used > ticks then
    spent = true
    error(SPENT, 0)
  end
end, "", 10000)
collect("setpause", 150)

-- Python pushes values onto the Lua stack outside of any protected call, so a crossing needs memory to spare
local function relieve()
  collect("collect")
  if kilobytes() > soft_kilobytes then error("not enough memory", 0) end
end

local function check(first, ...)
  if first == FAULT then error(FAULT, 0) end
  return first, ...
end

local references = setmetatable({}, {__mode = "k"})

-- only numbers, strings, booleans and references to reading buffers cross
local function pass(value)
  local kind = type(value)
  if kind == "table" then
    local reference = references[value]
    if reference then return reference end
    error("bad argument (number or string expected, got table)", 0)
  elseif kind == "function" or kind == "userdata" or kind == "thread" then
    error("bad argument (number or string expected, got " .. kind .. ")", 0)
  end
  return value
end

local function pass_all(count, first, ...)
  if count == 0 then return end
  return pass(first), pass_all(count - 1, ...)
end

local function wrap(f, arity)
  if arity == 0 then
    return function()
      if kilobytes() > soft_kilobytes then relieve() end
      return check(f())
    end
  elseif arity == 1 then
    return function(a)
      if kilobytes() > soft_kilobytes then relieve() end
      return check(f(pass(a)))
    end
  elseif arity == 2 then
    return function(a, b)
      if kilobytes() > soft_kilobytes then relieve() end
      return check(f(pass(a), pass(b)))
    end
  end
  return function(...)
    if kilobytes() > soft_kilobytes then relieve() end
    return check(f(pass_all(select("#", ...), ...)))
  end
end

local function wrap_list(f)
  return function(list)
    if kilobytes() > soft_kilobytes then relieve() end
    if type(list) ~= "table" then error("bad argument (table expected, got " .. type(list) .. ")", 0) end
    push(nil)
    for i = 1, #list do push(pass(list[i])) end
    return check(f())
  end
end

-- ---------------------------------------------------------------------------------------------------- environment
local env = {}
env._G = env
for _, name in pairs({"assert", "error", "getmetatable", "ipairs", "next", "pairs", "rawequal", "rawget", "rawset",
                      "select", "setmetatable", "tonumber", "tostring", "type", "_VERSION", "gcinfo"}) do
  env[name] = _G[name]
end
env.math, env.table, env.string = {}, {}, {}
for name, value in pairs(math) do env.math[name] = value end
for name, value in pairs(table) do env.table[name] = value end
for name, value in pairs(string) do env.string[name] = value end
env.string.dump = nil
getmetatable("").__index = env.string

-- Lua 5.1 counts in C integers and crashes where the difference overflows
function env.unpack(list, first, last)
  first, last = tonumber(first) or 1, tonumber(last) or #list
  if not (last - first < 5000) then error("too many results to unpack", 2) end
  return unpack(list, first, last)
end

function env.string.rep(text, count)
  text, count = tostring(text), tonumber(count) or 0
  if count > 1e6 or count * #text > 1e6 then error("resulting string too large", 2) end
  return rep(text, count)
end

-- the matcher backtracks in C, where no instruction is counted: bound its worst case instead
local function bound(matcher)
  return function(text, pattern, ...)
    if type(text) == "string" and type(pattern) == "string" then
      local _, repeats = gsub(pattern, "[%*%+%-%?]", "")
      if (#text + 1) ^ (repeats + 1) > 1e9 and repeats > 0 then error("pattern too complex", 2) end
    end
    return matcher(text, pattern, ...)
  end
end
for _, name in pairs({"find", "match", "gmatch", "gfind", "gsub"}) do
  if string[name] then env.string[name] = bound(string[name]) end
end

local function plain(problem)
  if problem == FAULT then return fault_text() end
  return problem
end

local function settle(ok, ...)
  if ok then return true, ... end
  local problem = ...
  -- neither a spent budget, nor exit(), nor an exception of Python may be caught by a script
  if spent or problem == EXIT or type(problem) == "userdata" then error(spent and SPENT or problem, 0) end
  return false, plain(problem)
end

function env.pcall(f, ...) return settle(raw_pcall(f, ...)) end

function env.xpcall(f, handler)
  local result = {n = 0}
  local function keep(...) result = {n = select("#", ...), ...} end
  keep(env.pcall(f))
  if result[1] then return unpack(result, 1, result.n) end
  return false, handler(result[2])
end

function env.loadstring(text, name)
  if type(text) ~= "string" or byte(text, 1) == 27 then return nil, "text expected" end
  local chunk, problem = raw_loadstring(text, name or "=tsp")
  if chunk then setfenv(chunk, env) end
  return chunk, problem
end

function env.collectgarbage(option)
  if option == "count" then return kilobytes() end
  collect("collect")
  return 0
end

function env.exit() error(EXIT, 0) end

local function show(value)
  if type(value) == "number" then return format(number_format, value) end
  return tostring(value)
end

function env.print(...)
  if kilobytes() > soft_kilobytes then relieve() end
  local count = select("#", ...)
  if count == 1 then
    check(emit(show((...))))
  else
    local texts = {...}
    for i = 1, count do texts[i] = show(texts[i]) end
    check(emit(concat(texts, "\t")))
  end
end

function env.makegetter(object, key) return function() return object[key] end end
function env.makesetter(object, key) return function(value) object[key] = value end end

-- --------------------------------------------------------------------------------------------------------- objects
local api = {}

-- the shape that introspecting drivers walk: Getters, Setters, Objects and luatype in the metatable
function api.new(luatype, at)
  local getters, setters, objects = {}, {}, {}
  local object = {}
  local element = at and wrap(at, 1)
  return setmetatable(object, {
    Getters = getters, Setters = setters, Objects = objects, luatype = luatype,
    __index = function(_, key)
      local get = getters[key]
      if get then return get() end
      if element and type(key) == "number" then return element(key) end
      return objects[key]
    end,
    __newindex = function(_, key, value)
      local set = setters[key]
      if set then return set(value) end
      if getters[key] or objects[key] ~= nil then error("attribute '" .. tostring(key) .. "' is read-only", 2) end
      error("no attribute '" .. tostring(key) .. "'", 2)
    end,
  })
end

function api.refer(object, reference) references[object] = reference end
function api.object(object, key, value) getmetatable(object).Objects[key] = value end

-- many entries in one crossing: kind, key, value, number of parameters, and so on
function api.fill(object, ...)
  local mt, entries = getmetatable(object), {...}
  local getters, setters, objects = mt.Getters, mt.Setters, mt.Objects
  for i = 1, select("#", ...), 4 do
    local kind, key, value, arity = entries[i], entries[i + 1], entries[i + 2], entries[i + 3]
    if kind == "getter" then
      getters[key] = wrap(value, arity)
    elseif kind == "setter" then
      setters[key] = wrap(value, arity)
    elseif kind == "call" then
      objects[key] = wrap(value, arity)
    elseif kind == "list" then
      objects[key] = wrap_list(value)
    else
      objects[key] = value
    end
  end
end
function api.set_global(name, value) rawset(env, name, value) end
function api.global_call(name, f, arity) rawset(env, name, wrap(f, arity)) end
function api.maker(object, key, f, build)
  local make = wrap(f, 1)
  getmetatable(object).Objects[key] = function(size) return build(make(size)) end
end
function api.precision(digits) number_format = "%." .. (digits - 1) .. "e" end

-- --------------------------------------------------------------------------------------------------------- running
-- chunks by their text, and how much text that is, with 100 characters for what each takes besides
local cache, cached = {}, 0

local function finish(ok, problem)
  if ok or problem == EXIT then return nil end
  if problem == FAULT then return "fault" end
  if spent then return "runtime", "instruction limit exceeded" end
  if type(problem) == "userdata" then error(problem, 0) end
  if type(problem) ~= "string" and type(problem) ~= "number" then
    return "runtime", "error object is a " .. type(problem) .. " value" -- its __tostring would run unwatched
  end
  return "runtime", sub(problem, 1, 200)
end

function api.run(text)
  local chunk = cache[text]
  if not chunk then
    local problem
    if byte(text, 1) == 27 then return "syntax", "tsp:1: text expected" end
    chunk, problem = raw_loadstring(text, "=tsp")
    if not chunk then return "syntax", problem end
    setfenv(chunk, env)
    if cached > 250000 then cache, cached = {}, 0 end
    cache[text], cached = chunk, cached + #text + 100
  end
  spent, used = false, 0
  return finish(raw_pcall(chunk))
end

local scripts = {}
env.script = scripts

function api.script(name, text)
  if byte(text, 1) == 27 then return "syntax", "tsp:1: text expected" end
  local chunk, problem = raw_loadstring(text, "=tsp")
  if not chunk then return "syntax", problem end
  setfenv(chunk, env)
  local script = {}
  setmetatable(script, {
    luatype = "script",
    Getters = {name = function() return name end, source = function() return text end},
    Setters = {},
    Objects = {run = chunk, save = function() end},
    __index = function(self, key)
      local mt = getmetatable(self)
      if mt.Getters[key] then return mt.Getters[key]() end
      return mt.Objects[key]
    end,
    __call = function(_, ...) return chunk(...) end,
  })
  if name ~= "" then rawset(env, name, script) end
  rawset(scripts, "anonymous", script)
  rawset(scripts, "run", chunk)
  rawset(env, "run", chunk)
end

function api.run_script()
  spent, used = false, 0
  return finish(raw_pcall(rawget(scripts, "run")))
end

return api

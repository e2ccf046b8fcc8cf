-- Factory script functions of the 2636B for pulse tests, written in TSP on the trigger model.
-- Source: 2600BS-901-01 Rev. F, section 5, "KIPulse factory script". Left out: sync lines, PulseXMeasureY with time-outs.
local tests = {}

local function configure(kind, smu, bias, level, limit, ton, toff, points, buffer, tag)
  if not (smu and bias and level and limit and ton and toff and points and buffer and tag) then
    return false, "Missing parameter"
  end
  if ton < 100e-6 then return false, "Pulse on time must be at least 100 us" end
  if toff <= 0 then return false, "Pulse off time must be positive" end
  if points < 1 then return false, "Number of points must be at least 1" end
  tests[tag] = {kind = kind, smu = smu, bias = bias, level = level, limit = limit, ton = ton, toff = toff,
                points = points, buffer = buffer}
  return true, "Test configured successfully"
end

function ConfigPulseVMeasureI(...) return configure("v", ...) end
function ConfigPulseIMeasureV(...) return configure("i", ...) end

local function prepare(test)
  local smu, source, meter = test.smu, test.smu.source, test.smu.measure
  local top = math.max(math.abs(test.bias), math.abs(test.level))
  if test.kind == "v" then
    source.func = smu.OUTPUT_DCVOLTS
    source.levelv, source.rangev, source.levelv, source.limiti = 0, top, test.bias, test.limit
    meter.rangei = test.limit
    smu.trigger.source.listv({test.level})
    smu.trigger.measure.i(test.buffer)
  else
    source.func = smu.OUTPUT_DCAMPS
    source.leveli, source.rangei, source.leveli, source.limitv = 0, top, test.bias, test.limit
    meter.rangev = test.limit
    smu.trigger.source.listi({test.level})
    smu.trigger.measure.v(test.buffer)
  end
  source.delay, meter.delay = 0, 0
  smu.trigger.source.action = smu.ENABLE
  smu.trigger.measure.action = smu.ENABLE
  smu.trigger.endpulse.action = smu.SOURCE_IDLE
  smu.trigger.endsweep.action = smu.SOURCE_IDLE
  smu.trigger.arm.count, smu.trigger.count = 1, test.points
  smu.trigger.arm.stimulus = 0
end

local function run(list)
  local first = list[1]
  local lead = list[1].smu.trigger
  local period, width, middle = trigger.timer[1], trigger.timer[2], trigger.timer[3]
  for _, test in ipairs(list) do
    if test.ton ~= first.ton or test.toff ~= first.toff or test.points ~= first.points then
      return false, "Both tests must have the same timing"
    end
    prepare(test)
  end
  local aperture = 0
  for _, test in ipairs(list) do aperture = aperture + test.smu.measure.nplc / localnode.linefreq end
  local before = first.ton - aperture - 20e-6
  if before < 60e-6 then return false, "Integration time is too long for the pulse" end
  period.delay, period.count, period.passthrough = first.ton + first.toff, math.max(first.points - 1, 1), true
  period.stimulus = lead.ARMED_EVENT_ID
  width.delay, width.count, width.passthrough, width.stimulus = first.ton, 1, false, lead.SOURCE_COMPLETE_EVENT_ID
  middle.delay, middle.count, middle.passthrough, middle.stimulus = before, 1, false, lead.SOURCE_COMPLETE_EVENT_ID
  for _, test in ipairs(list) do
    test.smu.trigger.source.stimulus = period.EVENT_ID
    test.smu.trigger.measure.stimulus = middle.EVENT_ID
    test.smu.trigger.endpulse.stimulus = width.EVENT_ID
  end
  for index = #list, 1, -1 do list[index].smu.trigger.initiate() end
  waitcomplete()
  period.stimulus, width.stimulus, middle.stimulus = 0, 0, 0
  return true, "Test completed"
end

function InitiatePulseTest(tag)
  if not tests[tag] then return false, "No such test" end
  return run({tests[tag]})
end

function InitiatePulseTestDual(tag1, tag2)
  if not tests[tag1] or not tests[tag2] then return false, "No such test" end
  return run({tests[tag1], tests[tag2]})
end

-- Adds to the popularity of items that exist. The sums decay: see Popularity::add and codec/popularity.rs.
-- KEYS: items, popularity
-- ARGV: half-life in ms (-1: never decays), then for each addition: item id, time in ms, weight, impressions, opens,
-- newcomers' weight
-- Returns the ids of the items that exist, in the order given.
local half_life = tonumber(ARGV[1])

local function decay(age)
  if half_life < 0 or age <= 0 then return 1 end
  if half_life == 0 then return 0 end
  return 2 ^ (-age / half_life)
end

local function finite(number)
  return number == number and number ~= math.huge and number ~= -math.huge
end

-- A damaged record begins again: it is a statistic, and refusing would stop it for good. Version 1 had the weight alone,
-- version 2 nothing of newcomers.
local function read(stored)
  if not stored then return nil end
  local version = string.byte(stored)
  local weight, as_of, impressions, opens
  local newcomers = 0
  if version == 1 and #stored == 17 then
    weight, as_of = struct.unpack('<di8', stored, 2)
    impressions, opens = 0, 0
  elseif version == 2 and #stored == 33 then
    weight, as_of, impressions, opens = struct.unpack('<di8dd', stored, 2)
  elseif version == 3 and #stored == 41 then
    weight, as_of, impressions, opens, newcomers = struct.unpack('<di8ddd', stored, 2)
  else
    return nil
  end
  if not (finite(weight) and finite(impressions) and finite(opens) and finite(newcomers)) then return nil end
  return { weight, impressions, opens, newcomers }, as_of
end

local touched = {}
for i = 2, #ARGV, 6 do
  local id, at = ARGV[i], tonumber(ARGV[i + 1])
  if redis.call('HEXISTS', KEYS[1], id) == 1 then
    local sums, as_of = read(redis.call('HGET', KEYS[2], id))
    if not sums then sums, as_of = { 0, 0, 0, 0 }, at end
    local old, new = decay(at - as_of), decay(as_of - at)
    for n = 1, 4 do
      sums[n] = sums[n] * old + tonumber(ARGV[i + 1 + n]) * new
    end
    as_of = math.max(as_of, at)
    redis.call('HSET', KEYS[2], id, struct.pack('<Bdi8ddd', 3, sums[1], as_of, sums[2], sums[3], sums[4]))
    touched[#touched + 1] = id
  end
end
return touched

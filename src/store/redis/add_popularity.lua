-- Adds weights to the popularity of items that exist. The sums decay: see Popularity::add and codec/popularity.rs.
-- KEYS: items, popularity
-- ARGV: half-life in ms (-1: never decays), then for each weight: item id, weight, time in ms
-- Returns the ids of the items that exist, in the order given.
local half_life = tonumber(ARGV[1])

local function decay(age)
  if half_life < 0 or age <= 0 then return 1 end
  if half_life == 0 then return 0 end
  return 2 ^ (-age / half_life)
end

-- A damaged sum begins again: it is a statistic, and refusing would stop it for good.
local function read(stored)
  if not stored or #stored ~= 17 or string.byte(stored) ~= 1 then return nil end
  local sum, as_of = struct.unpack('<di8', stored, 2)
  if sum ~= sum or sum == math.huge or sum == -math.huge then return nil end
  return sum, as_of
end

local touched = {}
for i = 2, #ARGV, 3 do
  local id, weight, at = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  if redis.call('HEXISTS', KEYS[1], id) == 1 then
    local sum, as_of = read(redis.call('HGET', KEYS[2], id))
    if not sum then
      sum, as_of = weight, at
    elseif at >= as_of then
      sum, as_of = sum * decay(at - as_of) + weight, at
    else
      sum = sum + weight * decay(as_of - at)
    end
    redis.call('HSET', KEYS[2], id, struct.pack('<Bdi8', 1, sum, as_of))
    touched[#touched + 1] = id
  end
end
return touched

-- Reads the change log after a position, if nothing after that position is missing from it.
-- KEYS: the change log
-- ARGV: position, most entries
-- Returns id, kind and item id of each entry, or false when the reader must read everything again.
local position = ARGV[1]
if position == '0-0' then
  -- The log was empty when the catalogue was read: all that was ever added must still be there.
  if redis.call('EXISTS', KEYS[1]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    local length, added
    for i = 1, #info, 2 do
      if info[i] == 'length' then length = info[i + 1] end
      if info[i] == 'entries-added' then added = info[i + 1] end
    end
    if length > 0 and length ~= added then return false end
  end
elseif #redis.call('XRANGE', KEYS[1], position, position) == 0 then
  -- Trimmed, flushed, or a Redis that came back with older data: in all three, what followed the position is unknown.
  return false
end

local read = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. position, '+', 'COUNT', ARGV[2])) do
  read[#read + 1] = entry[1]
  read[#read + 1] = entry[2][1]
  read[#read + 1] = entry[2][2]
end
return read

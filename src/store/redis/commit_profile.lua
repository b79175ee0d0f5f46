-- Writes a profile and remembers event ids, if the profile's revision still is the expected one.
-- KEYS: profile, dedupe, erased [, the person's key]
-- ARGV: expected revision, profile, profile TTL in ms, now in ms, expiry of the ids in ms, their TTL in ms,
--       most ids to remember, TTL of the key in ms, the pseudonym in the key's row, then the ids' digests
-- Returns 1, 0 when somebody else committed first, or 2 when the person was erased.
if redis.call('EXISTS', KEYS[3]) == 1 then return 2 end
-- Another key, or none: the person was erased meanwhile, and came back or will be known anew.
if KEYS[4] and redis.call('GETRANGE', KEYS[4], 9, 24) ~= ARGV[9] then return 0 end
local stored = redis.call('GETRANGE', KEYS[1], 0, 7)
local revision = 0
if #stored == 8 then revision = struct.unpack('<I8', stored) end
if revision ~= tonumber(ARGV[1]) then return 0 end

-- A new record's revisions begin at the time, so that a record that was erased and made anew never repeats one that a
-- slow writer still holds.
local following = revision + 1
if revision == 0 then following = math.max(tonumber(ARGV[4]), 1) end
redis.call('SET', KEYS[1], struct.pack('<I8', following) .. ARGV[2], 'PX', ARGV[3])
if KEYS[4] then redis.call('PEXPIRE', KEYS[4], ARGV[8], 'GT') end

if #ARGV > 9 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4])
  for i = 10, #ARGV do
    redis.call('ZADD', KEYS[2], ARGV[5], ARGV[i])
  end
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[7]))
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
return 1

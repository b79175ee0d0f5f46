-- Keeps a feed with its first page, and notes it with the person's feeds when it has an owner.
-- KEYS: feed [, the person's feeds, erased [, the person's key [, profile, consents]]]
-- ARGV: the feed, page 0, time to keep it in ms [, feed id [, the pseudonym in the key's row [, what profile and consents begin with]]]
-- Returns 1, 2 when the person was erased, or 3 when profile or consents are others.
if KEYS[4] and redis.call('GETRANGE', KEYS[4], 9, 24) ~= ARGV[5] then return 2 end
if KEYS[3] and redis.call('EXISTS', KEYS[3]) == 1 then return 2 end
for i = 5, #KEYS do
  local head = ARGV[i + 1]
  if redis.call('GETRANGE', KEYS[i], 0, math.max(#head, 1) - 1) ~= head then return 3 end
end
redis.call('HSET', KEYS[1], 'h', ARGV[1], 'p0', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if not KEYS[2] then return 1 end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now))
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), ARGV[4])
-- As long as the feed that is kept longest.
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return 1

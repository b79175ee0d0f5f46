#!lua flags=allow-oom
-- Deletes everything kept about a person, and notes that they were erased.
-- KEYS: profile, dedupe, feeds, erased, consents, pace [, the person's key]
-- ARGV: what the keys of the person's feeds begin with, now in ms, how long to note it in ms
-- Returns when they were erased, in ms.
-- Forgetting makes room, so a full Redis runs it.
local erased = redis.call('SET', KEYS[4], ARGV[2], 'NX', 'GET', 'PX', ARGV[3]) or ARGV[2]
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  redis.call('UNLINK', ARGV[1] .. id)
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[5], KEYS[6])
if KEYS[7] then redis.call('UNLINK', KEYS[7]) end
return erased

-- Replaces a person's consent log, or their pace, if it still is what the caller read. A consent that is given lifts an erasure.
-- KEYS: log, erased [, the person's key]
-- ARGV: old, new, its TTL in ms, 1 when it lifts, TTL of the key in ms, the pseudonym in the key's row
-- Returns 1, 0 when somebody else wrote or erased first, or 2 when the person was erased.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if KEYS[3] and redis.call('GETRANGE', KEYS[3], 9, 24) ~= ARGV[6] then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then
  if ARGV[4] ~= '1' then return 2 end
  redis.call('DEL', KEYS[2])
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if KEYS[3] then redis.call('PEXPIRE', KEYS[3], ARGV[5], 'GT') end
return 1

-- Takes in what an earlier version kept about a person, unless something newer is there already.
-- KEYS: profile, dedupe, erased, consent log
-- ARGV: the sealed profile with its revision (or nothing), its TTL in ms, the ids' TTL in ms, the sealed consent log (or
--       nothing), its TTL in ms, then for each event id its expiry in ms and its digest
if redis.call('EXISTS', KEYS[3]) == 1 then return end
if #ARGV[1] > 0 and redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
if #ARGV[4] > 0 and redis.call('EXISTS', KEYS[4]) == 0 then
  redis.call('SET', KEYS[4], ARGV[4], 'PX', ARGV[5])
end
for i = 6, #ARGV, 2 do
  redis.call('ZADD', KEYS[2], ARGV[i], ARGV[i + 1])
end
if #ARGV > 5 then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end

-- Takes the place of what an earlier version kept about a person, unless something newer is there already.
-- KEYS: profile, dedupe, erased, then the earlier profile, dedupe and feeds
-- ARGV: the sealed profile with its revision (or nothing), its TTL in ms, the ids' TTL in ms, what the keys of the earlier feeds
--       begin with, then for each event id its expiry in ms and its digest
if redis.call('EXISTS', KEYS[3]) == 0 then
  if #ARGV[1] > 0 and redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  end
  for i = 5, #ARGV, 2 do
    redis.call('ZADD', KEYS[2], ARGV[i], ARGV[i + 1])
  end
  if #ARGV > 4 then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
  redis.call('UNLINK', ARGV[4] .. id)
end
redis.call('UNLINK', KEYS[4], KEYS[5], KEYS[6])

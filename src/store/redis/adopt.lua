-- Takes the place of what an earlier version kept about a person, unless something newer is there already.
-- KEYS: profile, dedupe, erased, then the earlier profile, dedupe and feeds, then the consent log and the earlier one
-- ARGV: the sealed profile with its revision (or nothing), its TTL in ms, the ids' TTL in ms, what the keys of the earlier feeds
--       begin with, the sealed consent log (or nothing), its TTL in ms, then for each event id its expiry in ms and its digest
if redis.call('EXISTS', KEYS[3]) == 0 then
  if #ARGV[1] > 0 and redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  end
  if #ARGV[5] > 0 and redis.call('EXISTS', KEYS[7]) == 0 then
    redis.call('SET', KEYS[7], ARGV[5], 'PX', ARGV[6])
  end
  for i = 7, #ARGV, 2 do
    redis.call('ZADD', KEYS[2], ARGV[i], ARGV[i + 1])
  end
  if #ARGV > 6 then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
  redis.call('UNLINK', ARGV[4] .. id)
end
redis.call('UNLINK', KEYS[4], KEYS[5], KEYS[6], KEYS[8])

-- Deletes what an earlier version kept about a person, once it is taken in.
-- KEYS: the earlier profile, dedupe, feeds, consent log
-- ARGV: what the keys of the earlier feeds begin with
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  redis.call('UNLINK', ARGV[1] .. id)
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])

-- Deletes everything kept under a person's id.
-- KEYS: profile, dedupe, feeds, consents
-- ARGV: what the keys of the person's feeds begin with
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  redis.call('UNLINK', ARGV[1] .. id)
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])

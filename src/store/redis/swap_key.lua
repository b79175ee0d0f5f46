-- Replaces a wrapped key, unless it changed or went since it was read. Its time to live stays.
-- KEYS: the key's row
-- ARGV: the row as it was read, the new one
-- Returns how many were replaced.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1

-- Replaces a person's consent log if it still is what the caller read. KEYS: log. ARGV: old, new, ttl in ms. 1 = done.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1

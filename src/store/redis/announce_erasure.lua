#!lua flags=allow-oom
-- Notes an erasure where the other processes on this Redis look for it. Part of an erasure, so a full Redis runs it.
-- KEYS: erasures
-- ARGV: the digest of who was erased, now in ms, how long to note it in ms
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', tonumber(ARGV[2]) - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])

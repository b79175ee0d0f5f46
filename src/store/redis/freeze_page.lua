-- Keeps a page of a feed, unless the feed is gone or the page is kept already.
-- KEYS: feed
-- ARGV: the page's field, the page
-- Returns the page that is kept, or false when the feed is gone.
if redis.call('HEXISTS', KEYS[1], 'h') == 0 then return false end
local frozen = redis.call('HGET', KEYS[1], ARGV[1])
if frozen then return frozen end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]

-- Keeps a page of a feed, unless the feed is gone or the page is kept already.
-- KEYS: feed [, profile, consents]
-- ARGV: the page's field, the page [, what profile and consents begin with]
-- Returns {1} when it is kept now, {1, page} when another is kept already, {0} when the feed is gone, {3} when profile or consents
-- are others.
for i = 2, #KEYS do
  local head = ARGV[i + 1]
  if redis.call('GETRANGE', KEYS[i], 0, math.max(#head, 1) - 1) ~= head then return {3, false} end
end
if redis.call('HEXISTS', KEYS[1], 'h') == 0 then return {0, false} end
local frozen = redis.call('HGET', KEYS[1], ARGV[1])
if frozen then return {1, frozen} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return {1, false}

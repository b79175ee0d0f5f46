-- Reads a profile and when each event id is forgotten, as of one moment. A script, not MULTI: a full Redis refuses MULTI,
-- even to read.
-- KEYS: profile, dedupe, erased
-- ARGV: digests of the event ids
-- Returns the profile or false, for each id its expiry in ms or false, and whether the person was erased.
local expiries = {}
for i = 1, #ARGV do
  expiries[i] = redis.call('ZSCORE', KEYS[2], ARGV[i])
end
return { redis.call('GET', KEYS[1]), expiries, redis.call('EXISTS', KEYS[3]) }

-- Adds a line to the activation log, if nobody else did meanwhile.
-- KEYS: the activation log
-- ARGV: lines it is expected to have, the line
-- Returns 1, or 0 when it has another number of lines.
if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[2])
return 1

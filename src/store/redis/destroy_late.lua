-- Deletes a person's key that came after their erasure, if that still stands.
-- KEYS: erased, the person's key
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DEL', KEYS[2]) end

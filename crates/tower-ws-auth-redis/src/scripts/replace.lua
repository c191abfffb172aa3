-- Replaces a record unless somebody else wrote another one meanwhile. Answers 0 if there is none,
-- 1 if it is another one, and 2 if it was replaced.
-- KEYS: where it is kept. ARGV: the record as it was read, the new one, its time in seconds.
local kept = redis.call('GET', KEYS[1])
if not kept then
  return 0
end
if kept ~= ARGV[1] then
  return 1
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 2

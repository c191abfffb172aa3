-- Keeps a revocation unless one of the same moment or a later one is kept under the key, and
-- publishes it. Answers with the one that stays, or with nil if this one was written.
-- KEYS: where it is kept. ARGV: its moment, its value, the retention in milliseconds, the channel,
-- the news.
local kept = redis.pcall('GET', KEYS[1])
if type(kept) == 'string' then
  local moment = tonumber(string.match(kept, '^(%d+) '))
  if moment and moment >= tonumber(ARGV[1]) then
    return kept
  end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return false

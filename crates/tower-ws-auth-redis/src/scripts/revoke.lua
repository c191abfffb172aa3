-- Keeps the latest revocation of a key, and publishes it. One that leaves open connections some time
-- keeps the moment of the last one before it that leaves none, or none any more. Answers with 1 if
-- this one is kept and with 0 if a later one is, and with the value that is kept.
-- KEYS: where it is kept. ARGV: its moment, its value, the retention in milliseconds, the channel,
-- the news.

-- "<moment> ~<seconds> !<firm moment> <reason>", where "~" and "!" may be absent.
local function read(value)
  local moment, rest = string.match(value, '^(%d+) (.*)$')
  local seconds, left = string.match(rest or '', '^~(%d+) (.*)$')
  local firm, reason = string.match(left or '', '^!(%d+) (.*)$')
  return moment and
    { moment = moment, seconds = seconds, firm = firm, reason = reason or left or rest }
end

-- The value of this one with the effect of an earlier one.
local function join(one, earlier)
  local over = tonumber(earlier.moment) + tonumber(earlier.seconds or 0) * 1e6
  local firm = over <= tonumber(one.moment) and earlier.moment or earlier.firm
  if not firm or one.firm and tonumber(one.firm) >= tonumber(firm) then
    firm = one.firm
  end
  return one.moment .. ' ~' .. one.seconds .. (firm and ' !' .. firm or '') .. ' ' .. one.reason
end

local text = redis.pcall('GET', KEYS[1])
local kept = type(text) == 'string' and read(text)
local new = read(ARGV[2])
local is_older = kept and tonumber(kept.moment) >= tonumber(ARGV[1])
local value = is_older and text or ARGV[2]
if kept and new and is_older and kept.seconds then
  value = join(kept, new)
elseif kept and new and not is_older and new.seconds then
  value = join(new, kept)
end
if is_older and value == text then
  return { 0, text }
end
local news = ARGV[5]
if value ~= ARGV[2] then
  news = cjson.decode(news)
  news.revocation = value
  news = cjson.encode(news)
end
redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[4], news)
return { is_older and 0 or 1, value }

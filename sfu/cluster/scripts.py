"""What happens in Redis in one step, as Lua: `MemoryStore` says the same in Python, and one suite tests both.

Each begins with PROLOGUE. KEYS[1] is the prefix of all keys, with its colon; ARGV[1] a nonce, ARGV[2] the lease in ms.
Numbers above 10^14 lose digits by Lua's `tostring`, hence `text`.

An *incarnation* is one life of the store, in which nothing was lost and its clock has not gone back. Another one
begins with another process (a restart, a failover: its `run_id`), when the key is gone (a flush), when the clock has
gone back, and when nobody has come for as long as a lease lasts: then all leases are over at once, which says nothing
of whether their nodes live. What stood there before stays, but nobody is home by it until he has said so again.
"""

from __future__ import annotations

from sfu.cluster.timing import CLOCK_TOLERANCE_MS

LEAP = 1 << 20
"""By so much the counter jumps in another incarnation. With all lost it begins at the microseconds of the store's
calendar, with which it never keeps up: so tokens that were lost are not given again, however soon the next loss comes.
"""
MAX_ENTRIES = 4096
"""Of one room."""
MAX_CHANGES = 4096
"""Nodes whose last change is remembered; who knows less than that reads all."""

PROLOGUE = (
    """
local P, ttl = string.sub(KEYS[1], 1, -2), tonumber(ARGV[2])
local function text(n) return string.format('%.0f', n) end
local function ask(command, key, ...)
  local found = redis.pcall(command, key, ...)
  if type(found) == 'table' and found.err then
    if string.find(found.err, 'WRONGTYPE') then redis.call('DEL', key) end
    found = redis.call(command, key, ...)
  end
  return found
end
local function number(key) return tonumber(string.match(ask('GET', P .. key) or '', '^%d+$') or '0') end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '?'
local incarnation, latest_seen = ask('GET', P .. ':incarnation'), number(':clock')
if not incarnation or string.sub(incarnation, 1, #run + 1) ~= run .. ':'
  or now_ms < latest_seen - TOLERANCE or now_ms > latest_seen + ttl then
  incarnation, latest_seen = run .. ':' .. ARGV[1], 0
  redis.call('SET', P .. ':incarnation', incarnation)
  redis.call('SET', P .. ':counter', text(math.max(number(':counter'), time[1] * 1000000 + time[2]) + LEAP))
end
if now_ms > latest_seen then redis.call('SET', P .. ':clock', text(now_ms)) end
local function next_number() return text(redis.call('INCR', P .. ':counter')) end
local function raise(n) if number(':counter') < n then redis.call('SET', P .. ':counter', text(n)) end end
local function left_ms(id)
  local left = redis.call('PTTL', P .. ':node:' .. id)
  if left > ttl or left == -1 then
    redis.call('PEXPIRE', P .. ':node:' .. id, ttl)
    left = ttl
  end
  return left
end
local function alive(id, epoch)
  return id and epoch and ask('GET', P .. ':node:' .. id) == epoch and left_ms(id) >= 0
end
local function changed(id)
  local version = redis.call('INCR', P .. ':version')
  redis.call('ZADD', P .. ':changed', version, id)
  local excess = redis.call('ZCARD', P .. ':changed') - MOST
  if excess > 0 then
    local last = redis.call('ZRANGE', P .. ':changed', excess - 1, excess - 1, 'WITHSCORES')
    redis.call('SET', P .. ':floor', last[2])
    redis.call('ZREMRANGEBYRANK', P .. ':changed', 0, excess - 1)
  end
  redis.call('PUBLISH', P .. ':hints', 'nodes')
end
local function home(room)
  local h = ask('HMGET', P .. ':room:' .. room, 'token', 'node', 'epoch', 'since', 'firm')
  if h[1] and h[2] and h[3] and string.find(h[1], '^%d+$') and string.find(h[3], '^%d+$') then return h end
  return {false, false, false, false, false}
end
local function settle(room, id, epoch, token, firm)
  redis.call('DEL', P .. ':room:' .. room)
  redis.call('HSET', P .. ':room:' .. room, 'token', token, 'node', id, 'epoch', epoch, 'firm', firm,
    'since', text(now_ms))
end
local function prune(room, id, epoch)
  local all = ask('HGETALL', P .. ':entries:' .. room)
  for i = 1, #all, 2 do
    local node, of = string.match(all[i + 1], '^(%S+) (%d+) ')
    if not node or (node == id and of == epoch) or not alive(node, of) then
      redis.call('HDEL', P .. ':entries:' .. room, all[i])
    end
  end
end
""".replace("TOLERANCE", str(CLOCK_TOLERANCE_MS))
    .replace("LEAP", str(LEAP))
    .replace("MOST", str(MAX_CHANGES))
)

_RENEW = """
local id, epoch, protocol, load, record = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local key = P .. ':node:' .. id
local left = left_ms(id)
local lease = ask('GET', key)
local known = ask('HGET', P .. ':nodes', id)
local known_epoch = known and string.match(known, '^(%d+) ')
local spoken = ask('GET', P .. ':protocol')
local revived = 0
if spoken and spoken ~= protocol then return {'protocol', spoken, incarnation, 0, 0, 0, now_ms, -1} end
if epoch == '0' then
  if lease then return {'held', lease, incarnation, 0, 0, 0, now_ms, left} end
  epoch = next_number()
else
  local last = math.max(tonumber(lease or '') or 0, tonumber(known_epoch or '0'))
  if last > tonumber(epoch) then return {'superseded', text(last), incarnation, 0, 0, 0, now_ms, -1} end
  if lease ~= epoch then revived = 1 end
end
raise(tonumber(epoch))
redis.call('SET', P .. ':protocol', protocol, 'PX', ttl)
redis.call('SET', key, epoch, 'PX', ttl)
ask('HGET', P .. ':loads', id)
redis.call('HSET', P .. ':loads', id, load)
if record ~= '' then
  redis.call('HSET', P .. ':nodes', id, epoch .. ' ' .. record)
  known_epoch = epoch
  changed(id)
end
local soonest = -1
for i = 8, #ARGV do
  local other = ARGV[i]
  local rest = left_ms(other)
  if rest == -2 then
    if redis.call('HDEL', P .. ':nodes', other) == 1 then
      redis.call('HDEL', P .. ':loads', other)
      changed(other)
    end
  elseif soonest < 0 or rest < soonest then soonest = rest end
end
return {'renewed', epoch, incarnation, revived, known_epoch == epoch and 1 or 0, number(':version'), now_ms, soonest}
"""

_LEAVE = """
local id, epoch = ARGV[3], ARGV[4]
if ask('GET', P .. ':node:' .. id) ~= epoch then return 0 end
redis.call('DEL', P .. ':node:' .. id)
ask('HGET', P .. ':nodes', id)
redis.call('HDEL', P .. ':nodes', id)
redis.call('HDEL', P .. ':loads', id)
changed(id)
return 1
"""

_CLAIM = """
local id, epoch, expected, latest, holding = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7] == '1'
local leased = alive(id, epoch)
local result = {}
for i = 8, #ARGV, 2 do
  local room, token, word = ARGV[i], tonumber(ARGV[i + 1]), nil
  local h = home(room)
  local known = tonumber(h[1] or '0')
  local mine = h[2] == id and h[3] == epoch
  local firm = h[5] == incarnation
  local others = not mine and alive(h[2], h[3])
  local later = token > known and not (others and firm)
  if not leased then word = 'unleased'
  elseif expected ~= incarnation then word = 'reborn'
  elseif mine and firm and known == token then word = 'claimed'
  elseif holding and token > 0 and (later or mine and known == token) then
    raise(token)
    settle(room, id, epoch, ARGV[i + 1], incarnation)
    word = 'claimed'
  elseif latest > 0 then
    if now_ms > latest then word = 'late'
    elseif others and not later then word = 'held'
    else
      raise(token)
      settle(room, id, epoch, next_number(), incarnation)
      word = 'claimed'
    end
  elseif later and token > 0 then
    raise(token)
    settle(room, id, epoch, ARGV[i + 1], '')
    word = 'kept'
  elseif mine then word = 'kept'
  elseif others then word = 'held'
  else word = 'free' end
  h = home(room)
  result[#result + 1] = {word, alive(h[2], h[3]) and 1 or 0, h[1], h[2], h[3], h[4]}
end
return result
"""

_RELEASE = """
local id, epoch, released = ARGV[3], ARGV[4], 0
for i = 5, #ARGV, 2 do
  local room = ARGV[i]
  local h = home(room)
  if h[1] == ARGV[i + 1] and h[2] == id and h[3] == epoch then
    redis.call('DEL', P .. ':room:' .. room)
    prune(room, id, epoch)
    released = released + 1
  end
end
return released
"""

_MOVE = """
local id, epoch, room, token, heir, heir_epoch = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local h = home(room)
if not alive(id, epoch) or not alive(heir, heir_epoch) then return 0 end
if h[1] ~= token or h[2] ~= id or h[3] ~= epoch or h[5] ~= incarnation then return 0 end
settle(room, heir, heir_epoch, next_number(), incarnation)
return 1
"""

_PUT = """
local id, epoch, room, token, field, value = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local key = P .. ':entries:' .. room
if not alive(id, epoch) then return 'unleased' end
if home(room)[1] ~= token then return 'stale' end
local there = ask('HGET', key, field)
if there then
  local node, of = string.match(there, '^(%S+) (%d+) ')
  if node and not (node == id and of == epoch) and alive(node, of) then return 'held' end
end
if value == '' then redis.call('HDEL', key, field)
elseif not there and redis.call('HLEN', key) >= MOST then return 'full'
else redis.call('HSET', key, field, id .. ' ' .. epoch .. ' ' .. value) end
return 'done'
""".replace("MOST", str(MAX_ENTRIES))

_READ = """
local result = {}
for i = 4, #ARGV do
  local h = home(ARGV[i])
  local entries = ARGV[3] == '1' and ask('HGETALL', P .. ':entries:' .. ARGV[i]) or {}
  result[#result + 1] = {alive(h[2], h[3]) and 1 or 0, h[1], h[2], h[3], h[4], entries}
end
return result
"""

_LOOK = """
local since, version = tonumber(ARGV[3]), number(':version')
if ARGV[4] ~= incarnation or since > version or since < number(':floor') then
  return {incarnation, version, 1, ask('HGETALL', P .. ':nodes')}
end
local result = {}
for _, id in ipairs(ask('ZRANGEBYSCORE', P .. ':changed', '(' .. ARGV[3], '+inf')) do
  result[#result + 1] = id
  result[#result + 1] = ask('HGET', P .. ':nodes', id) or ''
end
return {incarnation, version, 0, result}
"""

_LOADS = """
local result = {}
for i = 3, #ARGV do result[#result + 1] = ask('HGET', P .. ':loads', ARGV[i]) or '' end
return result
"""

_SWEEP = """
local cursor = string.match(ask('GET', P .. ':sweep') or '', '^%d+$') or '0'
local found = redis.call('SCAN', cursor, 'MATCH', P .. ':[re][on]*', 'COUNT', ARGV[3])
redis.call('SET', P .. ':sweep', found[1])
local forgotten = 0
for _, key in ipairs(found[2]) do
  local room = string.match(string.sub(key, #P + 2), '^room:(.*)$')
  if room then
    local h = home(room)
    if alive(h[2], h[3]) then redis.call('HDEL', key, 'dead')
    else
      local dead = tonumber(ask('HGET', key, 'dead') or '')
      if not dead or dead > now_ms then redis.call('HSET', key, 'dead', text(now_ms))
      elseif now_ms - dead >= tonumber(ARGV[4]) then
        redis.call('DEL', key)
        forgotten = forgotten + 1
      end
    end
  else
    room = string.match(string.sub(key, #P + 2), '^entries:(.*)$')
    if room and redis.call('EXISTS', P .. ':room:' .. room) == 0 then prune(room, '', '') end
  end
end
return forgotten
"""

SCRIPTS = {
    "renew": _RENEW,
    "leave": _LEAVE,
    "claim": _CLAIM,
    "release": _RELEASE,
    "move": _MOVE,
    "put": _PUT,
    "read": _READ,
    "look": _LOOK,
    "loads": _LOADS,
    "sweep": _SWEEP,
}
"""By the name that a request says (`Request.script`), without PROLOGUE."""

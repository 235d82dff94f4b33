"""What must happen in one step, as Lua that Redis runs.

Every script takes the same three keys, of one hash slot:

    KEYS[1]  hash        key -> value: the table's partition, for any program to read
    KEYS[2]  sorted set  the same keys, all with score 0: their byte order
    KEYS[3]  hash        writer, offset, layout, note: who opened it last, up to where the changelog is in it, and of
                         which changelog it is

Lua is not rolled back when it fails half-way, so a script validates everything before its first write.  Redis itself
refuses the first write, and only that one, when it is out of memory.  Offsets are compared as text:
Lua's numbers end at 2^53.
"""

from __future__ import annotations

__all__ = ["APPLY", "DESTROY", "NOTE", "OPEN", "PAGE"]

_TYPES = """
local wanted = {'hash', 'zset', 'hash'}
for i = 1, 3 do
  local found = redis.call('TYPE', KEYS[i]).ok
  if found ~= 'none' and found ~= wanted[i] then
    return {'CORRUPT', KEYS[i] .. ' is a ' .. found .. ', not a ' .. wanted[i]}
  end
end
"""

#: ARGV: writer, layout.  Returns OK, the offset or '' for none, and the note, if there is one.
OPEN = (
    _TYPES
    + """
local layout = redis.call('HGET', KEYS[3], 'layout')
if layout and layout ~= ARGV[2] then
  return {'LAYOUT', layout}
end
local rows, keys = redis.call('HLEN', KEYS[1]), redis.call('ZCARD', KEYS[2])
local offset = redis.call('HGET', KEYS[3], 'offset')
if rows ~= keys then
  return {'CORRUPT', 'it holds ' .. rows .. ' values and ' .. keys .. ' keys'}
end
if rows > 0 and not offset then
  return {'CORRUPT', 'it holds ' .. rows .. ' values and no changelog offset'}
end
redis.call('HSET', KEYS[3], 'writer', ARGV[1], 'layout', ARGV[2])
return {'OK', offset or '', redis.call('HGET', KEYS[3], 'note')}
"""
)

#: ARGV: writer, note.
NOTE = """
local writer = redis.call('HGET', KEYS[3], 'writer')
if not writer then
  return {'LOST', 'nothing'}
elseif writer ~= ARGV[1] then
  return {'FENCED'}
end
redis.call('HSET', KEYS[3], 'note', ARGV[2])
return {'OK'}
"""

#: ARGV: writer, the offset that the writer knows ('' for none), the new offset, the number of values to set,
#: key and value of each, keys to delete.  Setting the same offset again is fine, for a reply may have been lost.
APPLY = (
    _TYPES
    + """
local meta = redis.call('HMGET', KEYS[3], 'writer', 'offset')
local offset = meta[2] or ''
if not meta[1] then
  return {'LOST', 'nothing'}
elseif meta[1] ~= ARGV[1] then
  return {'FENCED'}
elseif offset ~= ARGV[2] and offset ~= ARGV[3] then
  return {'LOST', offset}
end
local first_deleted = 5 + 2 * ARGV[4]
local chunk = 2000
for i = 5, first_deleted - 1, chunk do
  local last = math.min(i + chunk, first_deleted) - 1
  if redis.call('HSET', KEYS[1], unpack(ARGV, i, last)) > 0 then
    local members = {}
    for j = i, last, 2 do
      members[#members + 1] = 0
      members[#members + 1] = ARGV[j]
    end
    redis.call('ZADD', KEYS[2], unpack(members))
  end
end
for i = first_deleted, #ARGV, chunk do
  local last = math.min(i + chunk - 1, #ARGV)
  redis.call('HDEL', KEYS[1], unpack(ARGV, i, last))
  redis.call('ZREM', KEYS[2], unpack(ARGV, i, last))
end
redis.call('HSET', KEYS[3], 'offset', ARGV[3])
return {'OK'}
"""
)

#: ARGV: lower and upper bound as ZRANGEBYLEX has them, most rows, most bytes.
#: Returns writer, offset, whether there may be more, then key and value of each row.
PAGE = """
local meta = redis.call('HMGET', KEYS[3], 'writer', 'offset')
local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local page = {meta[1] or '', meta[2] or '', #keys == tonumber(ARGV[3]) and 1 or 0}
local room = tonumber(ARGV[4])
for i, key in ipairs(keys) do
  if room <= 0 then
    page[3] = 1
    break
  end
  local value = redis.call('HGET', KEYS[1], key)
  page[#page + 1] = key
  page[#page + 1] = value
  room = room - #key - (value and #value or 0)
end
return page
"""

DESTROY = "return redis.call('UNLINK', unpack(KEYS))"

/** What Redis does in one step: keep a record unless there is a later one, and drop one so that no earlier comes back. Each touches one key. */

/**
 * A value is two doubles, when it was asked for and when it is over, and the sealed record; of a dropped one there is no record and it was over in 1970. A
 * time from the future is of a clock that was set back and is not believed. A command that was held up on its way for longer than its gateway
 * said is of no use: the drop that it must not undo may be forgotten by now.
 */
export const KEEP = `
local there = redis.call('GETRANGE', KEYS[1], 0, 7)
local header, body, px = ARGV[1], ARGV[2], tonumber(ARGV[3])
local asked, believed, deadline = struct.unpack('>d', header), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
if time[1] * 1000 > deadline then return -1 end
if #there == 8 then
  local since = struct.unpack('>d', there)
  if since > asked and since <= believed then return 0 end
  px = math.max(px, redis.call('PTTL', KEYS[1]))
end
redis.call('SET', KEYS[1], header .. body, 'PX', px)
return 1`;

/** What is there goes first: a Redis whose memory is full takes nothing new before. */
export const DROP = `
local there = redis.call('GETRANGE', KEYS[1], 0, 15)
local header, px, believed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if #there == 16 then
  local since, over = struct.unpack('>dd', there)
  if over == 0 and since > struct.unpack('>d', header) and since <= believed then header = there end
  px = math.max(px, redis.call('PTTL', KEYS[1]))
end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], header, 'PX', px)
return 1`;

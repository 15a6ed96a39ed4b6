//! What is done in Redis at once. Each script takes the same time whatever the number of nodes, and touches the keys that
//! it is given alone. `TIME` before a write needs Redis 5, where a script's effects are replicated and not its text.

/// Enters a node for so many milliseconds, unless a later life of it is entered; then drops up to 16 leases that have ended.
///
/// Keys: ends, entries. Arguments: node, life as 32 digits that sort, entry, milliseconds. Answers the time, and the life that
/// is entered now. Each renewal makes room for 16 ended leases, so they vanish while anybody renews; after the last one
/// the keys themselves end.
pub(super) const RENEW: &str = r"
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ends and tonumber(ends) > now then
  local held = redis.call('HGET', KEYS[2], ARGV[1])
  if held and string.sub(held, 1, 32) > ARGV[2] then
    return {now, string.sub(held, 1, 32)}
  end
end
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ARGV[3])
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 16)
if #ended > 0 then
  redis.call('ZREM', KEYS[1], unpack(ended))
  redis.call('HDEL', KEYS[2], unpack(ended))
end
redis.call('PEXPIRE', KEYS[1], ARGV[4] * 2)
redis.call('PEXPIRE', KEYS[2], ARGV[4] * 2)
return {now, ARGV[2]}
";

/// Takes back the entry of a node, if it is that of this life. Keys: ends, entries. Arguments: node, life.
pub(super) const REMOVE: &str = r"
local held = redis.call('HGET', KEYS[2], ARGV[1])
if held and string.sub(held, 1, 32) == ARGV[2] then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
";

/// The time in milliseconds. Key: ends, for the place where it is asked for.
pub(super) const NOW: &str = r"
local clock = redis.call('TIME')
return clock[1] * 1000 + math.floor(clock[2] / 1000)
";

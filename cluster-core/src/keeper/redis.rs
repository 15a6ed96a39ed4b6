//! Registers in Redis: one hash under the cluster's tag. A field is a key, its value begins with the stamp.
//!
//! ```text
//! counter: 16 hexadecimal digits | node | 00 | 0, or 1 and the value
//! ```
//! Written so, the greater of two byte strings is the write that wins. The field without a name is the mark.

use bytes::Bytes;
use redis::{Cmd, Script};

use super::{Asking, Keeper, KeeperError, Mark, Offered};
use crate::engine::registers::{MAX_KEYS, RegisterEntry, RegisterKey, Stamp};
use crate::store::{Store, StoreError};

/// Keeps each register that is greater than the one that is kept; answers the mark, and what is kept in place of those that are
/// smaller.
///
/// Key: the hash. Arguments: a mark if there is to be one, then a field and a value for each register. Its time depends on what it
/// is given alone. Strings are compared byte by byte, because `<` in Lua goes by the server's locale.
const OFFER: &str = r"
local function greater(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x > y
    end
  end
  return #a > #b
end
local answer = {''}
for i = 2, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if not held or greater(ARGV[i + 1], held) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  elseif held ~= ARGV[i + 1] then
    answer[#answer + 1] = ARGV[i]
    answer[#answer + 1] = held
  end
end
if ARGV[1] ~= '' then
  redis.call('HSETNX', KEYS[1], '', ARGV[1])
end
answer[1] = redis.call('HGET', KEYS[1], '') or ''
return answer
";

/// How many registers are read or offered at a time: with the longest values 1 MiB.
const AT_A_TIME: usize = 64;
const COUNTER_DIGITS: usize = 16;

/// A keeper in Redis.
#[derive(Debug)]
pub struct RedisKeeper {
    store: Store,
    hash: String,
    offer: Script,
}

impl RedisKeeper {
    /// The registers of the store's cluster.
    pub fn new(store: Store) -> Self {
        let hash = store.key("registers");
        Self { store, hash, offer: Script::new(OFFER) }
    }

    async fn read_all(&self) -> Result<Vec<RegisterEntry>, StoreError> {
        let mut fields: Vec<Vec<u8>> = self.store.query(Cmd::new().arg("HKEYS").arg(&self.hash)).await?;
        // Of more than the members keep they keep the lowest.
        fields.sort_unstable();
        fields.retain(|field| !field.is_empty());
        fields.truncate(MAX_KEYS);
        let mut entries = Vec::new();
        for fields in fields.chunks(AT_A_TIME) {
            let mut read = Cmd::new();
            read.arg("HMGET").arg(&self.hash).arg(fields);
            let values: Vec<Option<Vec<u8>>> = self.store.query(&read).await?;
            let pairs = fields.iter().zip(values);
            entries.extend(pairs.filter_map(|(field, value)| decode_or_tell(field, &value?)));
        }
        Ok(entries)
    }

    async fn offer_all(&self, entries: &[RegisterEntry], mark: Option<Mark>) -> Result<Offered, StoreError> {
        let mut all = Offered::default();
        let mut chunks = entries.chunks(AT_A_TIME).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let is_last = chunks.peek().is_none();
            let mut script = self.offer.key(&self.hash);
            // The mark comes last: it says that all is there.
            script
                .arg(mark.filter(|_| is_last).map_or_else(String::new, |Mark(mark)| format!("{mark:016x}")));
            for entry in chunk {
                script.arg(entry.key().as_str()).arg(encode(entry));
            }
            let mut answer: Vec<Vec<u8>> = self.store.script(&script).await?;
            let newer = answer.split_off(1.min(answer.len()));
            all.mark = answer.first().and_then(|mark| parse_mark(mark));
            all.newer.extend(
                newer.as_chunks::<2>().0.iter().filter_map(|[field, value]| decode_or_tell(field, value)),
            );
            if is_last {
                return Ok(all);
            }
        }
    }
}

impl Keeper for RedisKeeper {
    fn read(&self) -> Asking<'_, Vec<RegisterEntry>> {
        Box::pin(async { self.read_all().await.map_err(|error| KeeperError(error.to_string())) })
    }

    fn offer<'a>(&'a self, entries: &'a [RegisterEntry], mark: Option<Mark>) -> Asking<'a, Offered> {
        Box::pin(async move {
            self.offer_all(entries, mark).await.map_err(|error| KeeperError(error.to_string()))
        })
    }
}

fn parse_mark(text: &[u8]) -> Option<Mark> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok().map(Mark)
}

fn encode(entry: &RegisterEntry) -> Vec<u8> {
    let Stamp { counter, node } = entry.stamp();
    let mut bytes = format!("{counter:0COUNTER_DIGITS$x}{node}\0").into_bytes();
    bytes.push(if entry.value().is_some() { b'1' } else { b'0' });
    bytes.extend_from_slice(entry.value().map_or(&[][..], |value| value));
    bytes
}

fn decode(field: &[u8], bytes: &[u8]) -> Option<RegisterEntry> {
    let key: RegisterKey = std::str::from_utf8(field).ok()?.parse().ok()?;
    let (counter, rest) = bytes.split_at_checked(COUNTER_DIGITS)?;
    let counter = u64::from_str_radix(std::str::from_utf8(counter).ok()?, 16).ok()?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (node, rest) = rest.split_at_checked(end)?;
    let node = std::str::from_utf8(node).ok()?.parse().ok()?;
    let value = match rest.get(1..)?.split_first()? {
        (b'0', []) => None,
        (b'1', value) => Some(Bytes::copy_from_slice(value)),
        _ => return None,
    };
    RegisterEntry::new(key, Stamp { counter, node }, value).ok()
}

/// What somebody else has put there is left alone.
fn decode_or_tell(field: &[u8], bytes: &[u8]) -> Option<RegisterEntry> {
    let entry = decode(field, bytes);
    if entry.is_none() {
        let field = String::from_utf8_lossy(field);
        tracing::warn!(%field, "this field of the registers in Redis is none of this version's: it is left alone");
    }
    entry
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = RegisterEntry> {
        let node = prop::sample::select(vec!["a", "a-b", "a--b", "ab", "b", "a0"]);
        let value = prop::option::of(prop::collection::vec(0..3_u8, 0..4));
        (0..20_u64, node, value).prop_map(|(counter, node, value)| {
            let stamp = Stamp { counter, node: node.parse().unwrap() };
            RegisterEntry::new("k".parse().unwrap(), stamp, value.map(Bytes::from)).unwrap()
        })
    }

    proptest! {
        #[test]
        fn the_greater_bytes_are_the_write_that_wins(one in entries(), other in entries()) {
            prop_assert_eq!(encode(&one) > encode(&other), one.wins_over(&other));
            prop_assert_eq!(decode(b"k", &encode(&one)), Some(one));
        }

        #[test]
        fn whatever_else_stands_there_is_no_register(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(entry) = decode(b"k", &bytes) {
                prop_assert_eq!(encode(&entry).len(), bytes.len());
            }
        }
    }

    #[test]
    fn a_field_that_is_no_key_and_a_cut_value_are_left_alone() {
        let stamp = Stamp { counter: 1, node: "a".parse().unwrap() };
        let bytes = encode(&RegisterEntry::new("k".parse().unwrap(), stamp, None).unwrap());
        assert_eq!(bytes, b"0000000000000001a\x000");
        for end in 0..bytes.len() {
            assert_eq!(decode(b"k", &bytes[..end]), None);
        }
        assert_eq!(decode(b"\xff", &bytes), None);
        assert_eq!(decode(b"", &bytes), None);
    }
}

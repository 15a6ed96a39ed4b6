//! Reading and writing what travels: bounded lists and texts, extensions, and fixed-width fields.
//!
//! A control body is a postcard struct followed by a list of extensions and nothing else. Every length is checked against
//! its maximum before memory is spent on it.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use postcard::ser_flavors::Flavor;
use postcard::serialize_with_flavor;
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most extensions a body carries.
pub const MAX_EXTENSIONS: usize = 32;
/// The longest value of an extension, in bytes.
pub const MAX_EXTENSION: usize = 1024;
/// Set in the tag of an extension that a receiver must understand or refuse.
pub const MUST_UNDERSTAND: u16 = 0x8000;

/// Bytes that are not what they claim to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes end before the value does.
    #[error("{what} is cut short: {need} more bytes expected, {left} left")]
    Short {
        /// What was being read.
        what: &'static str,
        /// How many bytes it needs.
        need: usize,
        /// How many there are.
        left: usize,
    },
    /// The bytes go on after the value.
    #[error("{left} bytes follow the end of {what}")]
    Trailing {
        /// What was being read.
        what: &'static str,
        /// How many bytes are left.
        left: usize,
    },
    /// The bytes are not a value of this kind.
    #[error("{what} does not decode")]
    Malformed {
        /// What was being read.
        what: &'static str,
    },
    /// A must-understand extension that this version does not know.
    #[error("the required extension {tag:#06x} of {what} is not known here")]
    Extension {
        /// What was being read.
        what: &'static str,
        /// The extension's tag.
        tag: u16,
    },
}

/// A list of at most `MAX` items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// The first `MAX` of these items.
    pub fn truncated(items: impl IntoIterator<Item = T>) -> Self {
        Self(items.into_iter().take(MAX).collect())
    }

    /// The items.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The items, as a vector.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
                let announced = sequence.size_hint().unwrap_or(0);
                if announced > MAX {
                    return Err(serde::de::Error::invalid_length(announced, &self));
                }
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element()? {
                    if items.len() == MAX {
                        return Err(serde::de::Error::invalid_length(MAX + 1, &self));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }

        deserializer.deserialize_seq(Items::<T, MAX>(std::marker::PhantomData)).map(Self)
    }
}

/// A text of at most `MAX` bytes, without control characters, so that it can stand in a log line as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// As much of the text as fits, with control characters replaced.
    pub fn lossy(text: &str) -> Self {
        let mut kept = String::new();
        for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            if kept.len() + c.len_utf8() > MAX {
                break;
            }
            kept.push(c);
        }
        Self(kept)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        if text.len() > MAX || text.chars().any(char::is_control) {
            return Err(serde::de::Error::custom("the text is too long or not printable"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// An optional part of a body that a version may not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// What it is; with [`MUST_UNDERSTAND`] set, a receiver that does not know it refuses the body.
    pub tag: u16,
    /// Its value, kept as it is when the body is encoded again.
    pub value: List<u8, MAX_EXTENSION>,
}

/// The extensions of a body.
pub type Extensions = List<Extension, MAX_EXTENSIONS>;

/// Appends a body and its extensions: whole, or not at all.
pub fn put_body<T: Serialize>(out: &mut BytesMut, body: &T, extensions: &Extensions) {
    let start = out.len();
    let put = serialize_with_flavor(body, Appended(out))
        .and_then(|()| serialize_with_flavor(extensions, Appended(out)));
    debug_assert!(put.is_ok(), "bodies are plain structs of bounded parts");
    if put.is_err() {
        out.truncate(start);
    }
}

/// Has postcard write to the end of what is there.
struct Appended<'a>(&'a mut BytesMut);

impl Flavor for Appended<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.put_u8(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads a body and its extensions, which must be all there is.
///
/// # Errors
/// When the bytes do not decode, go on after the end, or carry an unknown must-understand extension: this version knows none.
pub fn take_body<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<(T, Extensions), WireError> {
    let malformed = |_| WireError::Malformed { what };
    let (body, rest) = postcard::take_from_bytes::<OwnedBody<T>>(bytes).map_err(malformed)?;
    let (extensions, rest) = postcard::take_from_bytes::<Extensions>(rest).map_err(malformed)?;
    if !rest.is_empty() {
        return Err(WireError::Trailing { what, left: rest.len() });
    }
    if let Some(unknown) = extensions.as_slice().iter().find(|e| e.tag & MUST_UNDERSTAND != 0) {
        return Err(WireError::Extension { what, tag: unknown.tag });
    }
    Ok((body.0, extensions))
}

/// Lets `take_from_bytes`, whose bound is `Deserialize<'a>`, be used with an owned type.
struct OwnedBody<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for OwnedBody<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Reads fixed-width big-endian fields off the front of some bytes.
#[derive(Debug)]
pub struct Reader {
    what: &'static str,
    bytes: Bytes,
}

impl Reader {
    /// Reads from these bytes; `what` names them in errors.
    pub fn new(what: &'static str, bytes: Bytes) -> Self {
        Self { what, bytes }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let Some(array) = self.bytes.first_chunk().copied() else {
            return Err(WireError::Short { what: self.what, need: N, left: self.bytes.len() });
        };
        self.bytes.advance(N);
        Ok(array)
    }

    /// One byte.
    ///
    /// # Errors
    /// When there is none left; the other fields likewise.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_be_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    #[inline]
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    #[inline]
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    /// All that is left.
    pub fn rest(self) -> Bytes {
        self.bytes
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When something is left.
    pub fn end(self) -> Result<(), WireError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(WireError::Trailing { what: self.what, left }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_keeps_its_extensions() {
        let extensions = Extensions::truncated([Extension { tag: 7, value: List::truncated([1, 2, 3]) }]);
        let mut out = BytesMut::new();
        put_body(&mut out, &(1_u16, 2_u64), &extensions);
        assert_eq!(take_body::<(u16, u64)>("test", &out), Ok(((1, 2), extensions)));
    }

    #[test]
    fn a_required_extension_that_is_unknown_is_refused() {
        let tag = MUST_UNDERSTAND | 7;
        let mut out = BytesMut::new();
        put_body(&mut out, &1_u16, &Extensions::truncated([Extension { tag, value: List::default() }]));
        assert_eq!(take_body::<u16>("test", &out), Err(WireError::Extension { what: "test", tag }));
    }

    #[test]
    fn bytes_after_the_end_are_an_error() {
        let mut out = BytesMut::new();
        put_body(&mut out, &1_u16, &Extensions::default());
        out.extend_from_slice(&[0]);
        assert_eq!(take_body::<u16>("test", &out), Err(WireError::Trailing { what: "test", left: 1 }));
    }

    #[test]
    fn a_list_over_its_maximum_is_refused_at_its_announced_size() {
        let long = postcard::to_allocvec(&vec![0_u8; 5]).unwrap();
        assert!(postcard::from_bytes::<List<u8, 4>>(&long).is_err());
        assert!(postcard::from_bytes::<List<u8, 5>>(&long).is_ok());
        let absurd = postcard::to_allocvec(&u64::MAX).unwrap();
        assert!(postcard::from_bytes::<List<u8, 4>>(&absurd).is_err());
    }

    #[test]
    fn a_text_never_carries_control_characters() {
        assert_eq!(Text::<8>::lossy("a\nb\u{1b}cdefgh").as_str(), "a b cdef");
        let raw = postcard::to_allocvec("a\nb").unwrap();
        assert!(postcard::from_bytes::<Text<8>>(&raw).is_err());
    }
}

//! Frames: any chunking of a byte stream gives the same frames, what is buffered stays within the limit, and a frame that is
//! read comes back from its own encoding.

use bytes::{Bytes, BytesMut};
use cluster_transport::proto::frame::{Decoded, Frame, MAX_FRAME, MAX_HANDSHAKE_FRAME, PREFIX};
use tokio_util::codec::{Decoder as _, LengthDelimitedCodec};

use crate::input::Input;
use crate::memory;

/// How many chunks' sizes an input sets; they repeat.
const SIZES: usize = 8;

/// The property. The first byte chooses the limit, the next eight the chunks' sizes, the rest is the stream.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = if input.bool() { MAX_HANDSHAKE_FRAME } else { MAX_FRAME };
    let sizes: [usize; SIZES] = std::array::from_fn(|_| 1 + usize::from(input.byte()));
    let stream = input.rest();
    let whole = split(limit, std::iter::once(stream));
    let mut left = stream;
    let mut sizes = sizes.into_iter().cycle();
    let chunks = std::iter::from_fn(|| {
        let (chunk, rest) = left.split_at(sizes.next()?.min(left.len()));
        left = rest;
        (!chunk.is_empty()).then_some(chunk)
    });
    assert_eq!(split(limit, chunks), whole, "the chunks make a difference");
    for frame in whole.0 {
        comes_back(&frame);
    }
}

/// The frames of a stream, and whether it ended with one that is too long.
fn split<'a>(limit: usize, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Bytes>, bool) {
    let mut codec = LengthDelimitedCodec::builder().length_field_length(PREFIX).new_codec();
    codec.set_max_frame_length(limit);
    let (mut frames, mut buffer) = (Vec::new(), BytesMut::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame.freeze()),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
        assert!(buffer.len() < PREFIX + limit, "{} bytes wait for the end of a frame", buffer.len());
    }
    (frames, false)
}

/// What is read of a frame is what its own encoding says.
fn comes_back(bytes: &Bytes) {
    let decoded = memory::bounded(bytes, || Frame::decode(bytes.clone()));
    let Ok(Decoded::Known(frame)) = decoded else { return };
    let encoded = frame.encode();
    let (prefix, body) = encoded.split_first_chunk::<PREFIX>().expect("a frame begins with its length");
    assert_eq!(u32::from_be_bytes(*prefix) as usize, body.len(), "{frame:?}");
    assert!(body.len() <= bytes.len(), "{frame:?} became longer");
    assert_eq!(Frame::decode(encoded.slice(PREFIX..)), Ok(Decoded::Known(frame)));
}

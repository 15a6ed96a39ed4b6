//! Messages of the engine: bytes after the end are refused, what decodes encodes to what decodes equal, and decoding costs
//! memory in proportion to the input.

use bytes::Bytes;
use cluster_core::engine::PeerFault;
use cluster_core::engine::recode;

use crate::input::Input;
use crate::memory;

type Recode = fn(Bytes) -> Result<Option<Bytes>, PeerFault>;

/// How a message of each lane is decoded and encoded again, and whether anything may follow its last field.
const LANES: [(Recode, bool); 4] = [
    (|message| recode::control(&message), false),
    (|message| recode::state(&message), false),
    (|message| recode::event(&message), false),
    (recode::notification, true),
];

/// The property. The first byte chooses the lane, the rest is the message.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (recode, is_open) = LANES[input.below(LANES.len())];
    let message = Bytes::copy_from_slice(input.rest());
    let Ok(Some(encoded)) = memory::bounded(&message, || recode(message.clone())) else { return };
    assert!(encoded.len() <= message.len(), "{} bytes became {}", message.len(), encoded.len());
    assert_eq!(recode(encoded.clone()), Ok(Some(encoded.clone())), "an encoding decodes to itself");
    if !is_open {
        let trailing = Bytes::from([&encoded[..], &[0]].concat());
        assert!(
            matches!(recode(trailing), Err(PeerFault::Trailing { .. })),
            "a byte after the end is refused"
        );
    }
}

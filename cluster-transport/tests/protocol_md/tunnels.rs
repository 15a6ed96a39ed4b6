//! The frames of tunnels.

use bytes::Bytes;
use cluster_transport::proto::frame::{Decoded, Frame};
use cluster_transport::proto::tunnel::{TunnelClose, TunnelCode, TunnelFrame, TunnelId, TunnelOpen};
use cluster_transport::proto::wire::{Extensions, Text};

use crate::examples::examples;
use crate::{PROTOCOL, body};

#[test]
fn the_frames_of_tunnels_are_those_of_the_document() {
    let (tunnel, none) = (TunnelId(3), Extensions::default);
    let open = TunnelOpen { tunnel, from: "a".parse().unwrap(), to: "b".parse().unwrap() };
    let close = TunnelClose { tunnel, code: TunnelCode::NO_SESSION, text: Text::lossy("gone") };
    let frames = [
        ("TunnelOpen", TunnelFrame::Open(open, none())),
        ("TunnelData", TunnelFrame::Data(tunnel, Bytes::from_static(b"abc"))),
        ("TunnelCredit", TunnelFrame::Credit(tunnel, 65_536)),
        ("TunnelClose", TunnelFrame::Close(close, none())),
    ];
    let documented = examples(PROTOCOL, "Tunnels");
    for (name, frame) in &frames {
        let frame = Frame::Tunnel(frame.clone());
        let bytes = &documented[*name];
        assert_eq!(Frame::decode(body(bytes)), Ok(Decoded::Known(frame.clone())), "{name}");
        assert_eq!(*frame.encode(), bytes[..], "{name}: {:02x?}", &frame.encode()[..]);
    }
    assert_eq!(documented.len(), frames.len(), "an example without a test: {:?}", documented.keys());
}

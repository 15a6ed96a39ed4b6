//! One end of a tunnel: the bytes that came and were not read yet, and how many may be sent.

use bytes::{Buf, Bytes, BytesMut};

use super::{CREDIT, TunnelCode};

/// Credit is given back in steps: a frame for each read would cost more than the bytes.
const STEP: usize = CREDIT / 4;

/// One end of a tunnel. Holds at most [`CREDIT`] bytes.
#[derive(Debug)]
pub struct TunnelEnd {
    inbox: BytesMut,
    /// Bytes that were read and not given back as credit yet.
    read: usize,
    /// How many bytes may be sent.
    credit: usize,
    closed: Option<TunnelCode>,
}

impl Default for TunnelEnd {
    fn default() -> Self {
        Self { inbox: BytesMut::new(), read: 0, credit: CREDIT, closed: None }
    }
}

impl TunnelEnd {
    /// Bytes came. False if the other end sends more than it may.
    pub fn handle_data(&mut self, bytes: &Bytes) -> bool {
        if self.inbox.len() + self.read + bytes.len() > CREDIT {
            return false;
        }
        self.inbox.extend_from_slice(bytes);
        true
    }

    /// The other end takes more. False if it takes more than it was sent.
    pub fn handle_credit(&mut self, bytes: u32) -> bool {
        let credit = usize::try_from(bytes).ok().and_then(|bytes| self.credit.checked_add(bytes));
        let credit = credit.filter(|credit| *credit <= CREDIT);
        self.credit = credit.unwrap_or(self.credit);
        credit.is_some()
    }

    /// The tunnel is over; what has come can still be read.
    pub fn handle_closed(&mut self, code: TunnelCode) {
        self.closed.get_or_insert(code);
    }

    /// Takes bytes out, as many as fit. How many, and how much credit is to be sent for what was read until now.
    pub fn read(&mut self, into: &mut [u8]) -> (usize, Option<u32>) {
        let len = into.len().min(self.inbox.len());
        if let Some(into) = into.get_mut(..len) {
            self.inbox.copy_to_slice(into);
        }
        self.read += len;
        if self.read < STEP {
            return (len, None);
        }
        (len, u32::try_from(std::mem::take(&mut self.read)).ok())
    }

    /// How many of so many bytes may be sent now; they count as sent.
    pub fn spend(&mut self, wanted: usize) -> usize {
        let len = wanted.min(self.credit);
        self.credit -= len;
        len
    }

    /// Whether nothing is there to be read.
    pub fn is_empty(&self) -> bool {
        self.inbox.is_empty()
    }

    /// How many bytes are there to be read.
    pub fn unread(&self) -> usize {
        self.inbox.len()
    }

    /// Why the tunnel is over, if it is.
    pub fn closed(&self) -> Option<TunnelCode> {
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_takes_its_credit_and_not_a_byte_more() {
        let mut end = TunnelEnd::default();
        assert!(end.handle_data(&Bytes::from(vec![1; CREDIT])));
        assert!(!end.handle_data(&Bytes::from_static(&[1])));
        let mut buffer = vec![0; STEP - 1];
        assert_eq!(end.read(&mut buffer), (STEP - 1, None));
        assert!(!end.handle_data(&Bytes::from_static(&[1])), "no credit was given back yet");
        assert_eq!(end.read(&mut buffer[..1]), (1, Some(u32::try_from(STEP).unwrap())));
        assert!(end.handle_data(&Bytes::from(vec![2; STEP])));
    }

    #[test]
    fn an_end_sends_within_its_credit() {
        let mut end = TunnelEnd::default();
        assert_eq!(end.spend(CREDIT - 10), CREDIT - 10);
        assert_eq!(end.spend(100), 10);
        assert_eq!(end.spend(100), 0);
        assert!(end.handle_credit(50));
        assert_eq!(end.spend(100), 50);
        assert!(!end.handle_credit(u32::MAX), "more than was ever sent");
    }
}

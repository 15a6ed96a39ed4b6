//! Ranges of numbers on the command line.

use std::fmt;
use std::str::FromStr;

/// At least one number: `7`, `0..100` (without 100), or `3..=9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    first: u64,
    last: u64,
}

impl Span {
    pub(super) fn first(self) -> u64 {
        self.first
    }

    pub(super) fn last(self) -> u64 {
        self.last
    }

    pub(super) fn len(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}..={}", self.first, self.last)
    }
}

/// A text that is not a range of numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} names no number: use N, A..B (without B) or A..=B")]
pub(super) struct SpanError {
    given: String,
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let number = |text: &str| text.parse::<u64>().ok();
        let bounds = match (text.split_once("..="), text.split_once("..")) {
            (Some((first, last)), _) => number(first).zip(number(last)),
            (None, Some((first, end))) => number(first).zip(number(end).and_then(|end| end.checked_sub(1))),
            (None, None) => number(text).map(|only| (only, only)),
        };
        let span = bounds.filter(|(first, last)| first <= last).map(|(first, last)| Self { first, last });
        span.ok_or_else(|| SpanError { given: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_number_or_two_with_or_without_the_last() {
        let span = |text: &str| text.parse::<Span>().map(|span| (span.first(), span.last()));
        assert_eq!(span("7"), Ok((7, 7)));
        assert_eq!(span("0..100"), Ok((0, 99)));
        assert_eq!(span("3..=9"), Ok((3, 9)));
        for bad in ["", "x", "5..5", "9..3", "9..=3", "1..2..3", "-1", "..3", "3.."] {
            assert!(span(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            span("9..3").unwrap_err().to_string(),
            "\"9..3\" names no number: use N, A..B (without B) or A..=B"
        );
    }

    #[test]
    fn it_shows_as_it_can_be_given_again() {
        for text in ["7", "3..=9"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("0..100".parse::<Span>().unwrap().len(), 100);
    }
}

//! Who gets one of the few places for those who have not shown yet who they are.
//!
//! Places are for anybody until half of them are taken. From then on no host may have more than an eighth of them, so that one
//! that opens connections and goes no further does not keep the others out.

/// Whether a host that has `of_host` of the `taken` places gets one more.
pub(crate) fn admits(taken: usize, of_host: usize, places: usize) -> bool {
    taken < places && (taken < places / 2 || of_host < (places / 8).max(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_fills_half_of_the_places_and_many_fill_them_all() {
        let alone = (0..256).take_while(|taken| admits(*taken, *taken, 256)).count();
        assert_eq!(alone, 128);
        assert!(admits(128, 31, 256) && !admits(128, 32, 256));
        assert!(admits(255, 0, 256) && !admits(256, 0, 256));
    }

    #[test]
    fn few_places_are_for_anybody() {
        assert!(admits(0, 0, 1) && !admits(1, 0, 1));
        assert!(admits(1, 1, 2) && !admits(2, 0, 2));
    }
}

//! Delta debugging: the shortest part of a list that still fails, as far as a bounded number of attempts finds it.
//!
//! Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002: the algorithm `ddmin` without its subsets.

/// Leaves items out as long as the rest still fails. In the end no single item can be left out, unless the attempts ran out.
///
/// The list itself is taken to fail, and not tried.
pub fn shrink<T: Clone>(items: &[T], attempts: usize, mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut best = items.to_vec();
    let mut left = attempts;
    let mut chunk = best.len().div_ceil(2);
    while chunk > 0 {
        let mut from = 0;
        let mut progress = false;
        while from < best.len() {
            if left == 0 {
                return best;
            }
            left -= 1;
            let rest: Vec<T> =
                best.iter().take(from).chain(best.iter().skip(from + chunk)).cloned().collect();
            if fails(&rest) {
                best = rest;
                progress = true;
            } else {
                from += chunk;
            }
        }
        if chunk > 1 {
            chunk = chunk.div_ceil(2);
        } else if !progress {
            return best;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let items: Vec<u32> = (0..100).collect();
        let needs = |wanted: &'static [u32]| move |part: &[u32]| wanted.iter().all(|n| part.contains(n));
        assert_eq!(shrink(&items, 1_000, needs(&[17])), [17]);
        assert_eq!(shrink(&items, 1_000, needs(&[3, 50, 99])), [3, 50, 99]);
        assert_eq!(shrink(&items, 1_000, needs(&[])), [] as [u32; 0]);
    }

    #[test]
    fn it_never_tries_more_often_than_allowed_and_what_it_gives_fails() {
        let items: Vec<u32> = (0..1_000).collect();
        let mut tried = 0;
        let part = shrink(&items, 25, |part| {
            tried += 1;
            part.contains(&0) && part.contains(&999)
        });
        assert_eq!(tried, 25);
        assert!(part.len() < 1_000 && part.contains(&0) && part.contains(&999));
    }

    proptest! {
        #[test]
        fn no_single_item_of_the_outcome_can_be_left_out(
            wanted in prop::collection::btree_set(0..40_u8, 0..6),
            forbidden in prop::collection::btree_set(0..40_u8, 0..3),
        ) {
            let items: Vec<u8> = (0..40).collect();
            // Not monotone: some items must go together.
            let fails = |part: &[u8]| {
                let some = forbidden.iter().filter(|n| part.contains(n)).count();
                wanted.iter().all(|n| part.contains(n)) && (some == 0 || some == forbidden.len())
            };
            let part = shrink(&items, 100_000, fails);
            prop_assert!(fails(&part));
            for left_out in 0..part.len() {
                let mut rest = part.clone();
                rest.remove(left_out);
                prop_assert!(!fails(&rest), "{part:?} without its item {left_out} fails too");
            }
        }
    }
}

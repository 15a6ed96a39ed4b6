//! Clocks that are apart. They decide nothing, but who reads two logs side by side wants to know.

use std::time::{Duration, SystemTime};

use super::finding::Finding;

/// Clocks that are further apart are worth a word.
const SKEW: Duration = Duration::from_secs(2);

/// What to say of the clock of `whom`, which showed `clock` at some moment between two of this machine's.
pub(super) fn skew(
    whom: &str,
    asked: SystemTime,
    clock: SystemTime,
    answered: SystemTime,
) -> Option<Finding> {
    let (ahead, behind) = (clock.duration_since(answered), asked.duration_since(clock));
    let (way, apart) = match (ahead, behind) {
        (Ok(ahead), _) if ahead > SKEW => ("ahead of", ahead),
        (_, Ok(behind)) if behind > SKEW => ("behind", behind),
        _ => return None,
    };
    Some(Finding::warning(
        format!("the clock of {whom} is {} s {way} this machine's", apart.as_secs()),
        "have both set by NTP; nothing of the cluster is decided by it, but logs are hard to read side by side, and \
         certificates are valid by each machine's own clock",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_told_with_their_direction() {
        let now = SystemTime::now();
        let told = |clock| skew("b", now, clock, now).map(|finding| finding.found);
        assert!(told(now + Duration::from_secs(10)).is_some_and(|found| found.contains("10 s ahead of")));
        assert!(told(now - Duration::from_secs(90)).is_some_and(|found| found.contains("90 s behind")));
        assert_eq!(told(now + Duration::from_secs(1)), None);
        let slow = skew("b", now, now + Duration::from_secs(5), now + Duration::from_secs(9));
        assert_eq!(slow, None, "an answer that took long says little");
    }
}

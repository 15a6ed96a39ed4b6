//! Two members that go on while a third party misbehaves.

use cluster_core::discovery::MemoryDirectory;

use crate::{Member, Setup, Told, Traffic};

/// Two members, and traffic between them that has to survive what is done to the first.
#[derive(Debug)]
pub struct Pair {
    /// The one that strangers come to.
    pub a: Member,
    /// The other one.
    pub b: Member,
    traffic: [Traffic; 2],
}

impl Pair {
    /// Starts both, set up alike, and the traffic in both directions.
    pub async fn start(setup: impl Fn(Setup) -> Setup) -> Self {
        let directory = MemoryDirectory::default();
        let a = setup(Setup::new("a").in_directory(&directory)).start().await;
        let b = setup(Setup::new("b").in_directory(&directory)).start().await;
        a.together_with(&["b"]).await;
        b.together_with(&["a"]).await;
        let traffic = [Traffic::start(&a, &b, 1).await, Traffic::start(&b, &a, 2).await];
        Self { a, b, traffic }
    }

    /// Asserts that all traffic arrived, that neither removed the other, and that this is all that `a` complains of.
    pub async fn finish(self, complaints: &[&str]) {
        for traffic in self.traffic {
            traffic.finish().await;
        }
        for (member, other) in [(&self.a, "b"), (&self.b, "a")] {
            let removed = |told: &Told| matches!(told, Told::Removed(who, _) if who == other);
            assert!(!member.recorder.told().iter().any(removed), "{} removed {other}", member.name());
        }
        assert_eq!(self.a.logs.complaints(), complaints);
    }
}

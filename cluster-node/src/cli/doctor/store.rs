//! Whether Redis answers and lets this node do what it has to, and what its clock shows.

use std::time::SystemTime;

use cluster_core::config::Config;
use cluster_core::store::Store;

use super::clock::skew;
use super::finding::Finding;

pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let Some(settings) = config.redis() else { return Vec::new() };
    let store = Store::new(settings.clone(), config.cluster_name());
    if let Err(error) = store.ping().await {
        return vec![Finding::problem(
            error.to_string(),
            "start it or correct plugins.cluster.redis; running members do without it, newcomers find nobody through it",
        )];
    }
    let asked = SystemTime::now();
    match store.clock().await {
        Ok(clock) => {
            let answers = Finding::fine(format!("{settings} answers"));
            let skew = skew(&settings.to_string(), asked, clock, SystemTime::now());
            [answers].into_iter().chain(skew).collect()
        }
        Err(error) => vec![Finding::problem(
            format!("{error}, when it is asked to run a script"),
            format!(
                "let this user call EVALSHA, EVAL and SCRIPT LOAD, and read and write the keys {{{}}}:cluster:*",
                config.cluster_name()
            ),
        )],
    }
}

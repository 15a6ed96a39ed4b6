//! What a path from the root of a configuration means, and which key is nearest to one that means nothing.

use strsim::damerau_levenshtein;

use super::settings::Settings;

/// The settings that are objects of many members: a path may lead into them, and sources are merged in them.
const TREES: [&str; 4] = [
    "plugins.cluster.redis",
    "services.internalCache.node",
    "services.internalCache.options",
    "services.internalCache.clusterOptions",
];
/// What Kuzzle itself reads, and this node has no need of.
const IGNORED: &str = "plugins.cluster.privileged";
/// A key that Kuzzle's own documentation spells with a letter too many, and the key it means.
const MISSPELT: (&str, &str) =
    ("plugins.cluster.timers.joinAttemptIntervall", "plugins.cluster.timers.joinAttemptInterval");
/// Every key below one of these is known, or an error.
const OURS: [[&str; 2]; 2] = [["plugins", "cluster"], ["server", "limits"]];

/// How a key was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    Correct,
    Misspelt,
}

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A setting.
    Setting(&'static str, Spelling),
    /// A setting that is a tree, or something in it: how many parts of the path lead to the setting.
    Tree(&'static str, usize),
    /// An object that holds settings.
    Group,
    /// A known key without effect.
    Ignored,
    /// Something of another part of the host.
    Elsewhere,
    /// Nothing, in a place where that is an error.
    Unknown,
}

pub(super) fn meaning(path: &[String]) -> Meaning {
    let is = |key: &str| key.split('.').eq(path);
    if let Some((key, depth)) = TREES.iter().find_map(|key| Some((key, depth_in(path, key)?))) {
        Meaning::Tree(key, depth)
    } else if let Some(key) = Settings::KEYS.iter().find(|key| is(key)) {
        Meaning::Setting(key, Spelling::Correct)
    } else if is(MISSPELT.0) {
        Meaning::Setting(MISSPELT.1, Spelling::Misspelt)
    } else if is(IGNORED) {
        Meaning::Ignored
    } else if Settings::KEYS.iter().any(|key| leads_to(path, key)) {
        Meaning::Group
    } else if OURS.iter().any(|ours| path.iter().take(ours.len()).eq(ours)) {
        Meaning::Unknown
    } else {
        Meaning::Elsewhere
    }
}

/// Whether a key is, or stands below, a path.
pub(super) fn leads_to(path: &[String], key: &str) -> bool {
    let mut parts = key.split('.');
    path.iter().all(|part| parts.next() == Some(part))
}

/// The number of parts of a key that a path begins with.
fn depth_in(path: &[String], key: &str) -> Option<usize> {
    let depth = key.split('.').count();
    key.split('.').eq(path.get(..depth)?).then_some(depth)
}

/// The setting, or group of settings, that a path was most likely meant to be.
///
/// It begins as the path does if any does. Then the last part counts most: what is spelled right and stands in the wrong place
/// is found too.
pub(super) fn nearest(path: &[String]) -> &'static str {
    let whole = path.join(".");
    let (first, last) = ends(&whole);
    let distance = |key: &str| {
        let (first_of_key, last_of_key) = ends(key);
        let elsewhere = first_of_key != first;
        (elsewhere, damerau_levenshtein(last_of_key, last), damerau_levenshtein(key, &whole))
    };
    let groups =
        Settings::KEYS.iter().flat_map(|key| key.match_indices('.').map(|(at, _)| key.split_at(at).0));
    let known = Settings::KEYS.iter().copied().chain(groups);
    known.min_by_key(|key| distance(key)).unwrap_or_default()
}

/// The first and the last part of a key.
fn ends(key: &str) -> (&str, &str) {
    let first = key.split_once('.').map_or(key, |(first, _)| first);
    let last = key.rsplit_once('.').map_or(key, |(_, last)| last);
    (first, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn a_path_is_a_setting_a_group_somebody_elses_or_unknown() {
        for (given, wanted) in [
            ("server.port", Meaning::Setting("server.port", Spelling::Correct)),
            (
                "plugins.cluster.timers.joinAttemptIntervall",
                Meaning::Setting("plugins.cluster.timers.joinAttemptInterval", Spelling::Misspelt),
            ),
            ("plugins.cluster.timers", Meaning::Group),
            ("plugins", Meaning::Group),
            ("plugins.cluster.privileged", Meaning::Ignored),
            ("plugins.cluster.redis", Meaning::Tree("plugins.cluster.redis", 3)),
            ("services.internalCache.node.host", Meaning::Tree("services.internalCache.node", 3)),
            (
                "services.internalCache.nodes",
                Meaning::Setting("services.internalCache.nodes", Spelling::Correct),
            ),
            ("services", Meaning::Group),
            ("services.internalCache.backend", Meaning::Elsewhere),
            ("plugins.common", Meaning::Elsewhere),
            ("server.protocols.http", Meaning::Elsewhere),
            ("services.db", Meaning::Elsewhere),
            ("plugins.cluster.minimumnodes", Meaning::Unknown),
            ("plugins.cluster.minimumNodes.x", Meaning::Unknown),
            ("server.limits", Meaning::Group),
            ("server.limits.client", Meaning::Unknown),
        ] {
            assert_eq!(meaning(&path(given)), wanted, "{given}");
        }
        assert_eq!(meaning(&[]), Meaning::Group);
        assert_eq!(meaning(&["server.port".to_owned()]), Meaning::Elsewhere);
    }

    #[test]
    fn the_nearest_key_is_found_by_spelling_and_by_place() {
        for (given, wanted) in [
            ("plugins.cluster.minimumnode", "plugins.cluster.minimumNodes"),
            ("plugins.cluster.heartbeat", "plugins.cluster.timers.heartbeat"),
            ("plugins.cluster.timer", "plugins.cluster.timers"),
            ("plugin.cluster.seeds", "plugins.cluster.seeds"),
            ("plugins.cluster.bindings.port", "plugins.cluster.bindings.pub"),
            ("server.limits.client", "server.limits.clients"),
            ("port", "server.port"),
        ] {
            assert_eq!(nearest(&path(given)), wanted, "{given}");
        }
    }
}

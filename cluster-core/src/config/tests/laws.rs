//! What holds of any input.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::{cluster, file, values};
use crate::config::settings::Settings;
use crate::config::{Config, Source, Sources};

fn any_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..200_000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9]{1,8}(:[0-9]{1,5})?".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let parts: Vec<_> = Settings::KEYS.iter().flat_map(|key| key.split('.')).map(str::to_owned).collect();
    let name = prop_oneof![9 => select(parts), 1 => any::<String>()];
    any_leaf().prop_recursive(4, 32, 6, move |inner| {
        let object = btree_map(name.clone(), inner.clone(), 0..6)
            .prop_map(|members| Value::Object(members.into_iter().collect()));
        prop_oneof![vec(inner, 0..4).prop_map(Value::from), object]
    })
}

fn assign<'a>(settings: impl IntoIterator<Item = (&'a str, String)>) -> Sources {
    settings
        .into_iter()
        .fold(Sources::new(), |sources, (key, value)| sources.assign(format!("{key}={value}")))
}

/// All values but the secret, which is not shown.
fn shown(config: &Config) -> Vec<(&'static str, String)> {
    let mut values = values(config);
    values.retain(|(key, _)| *key != "plugins.cluster.adminToken");
    values
}

proptest! {
    #[test]
    fn what_loads_loads_again_from_what_it_shows(
        pairs in vec((select(Settings::KEYS), any_leaf().prop_map(|value| value.to_string())), 40),
    ) {
        let fit = pairs.into_iter().filter(|pair| Config::load(&assign([pair.clone()])).is_ok());
        if let Ok(config) = Config::load(&assign(fit)) {
            let given = config.effective().filter(|setting| *setting.source != Source::Default);
            let given = given.filter(|setting| setting.key != "plugins.cluster.adminToken");
            let again = assign(given.map(|setting| (setting.key, setting.value)));
            prop_assert_eq!(shown(&Config::load(&again).unwrap()), shown(&config));
        }
    }

    #[test]
    fn no_json_makes_loading_panic(whole in any_json(), key in select(Settings::KEYS)) {
        for sources in [file(&whole.to_string()), cluster(&whole), assign([(key, whole.to_string())])] {
            if let Err(error) = Config::load(&sources) {
                prop_assert_ne!(error.to_string(), "");
            }
        }
    }

    #[test]
    fn no_text_makes_loading_panic(text in any::<String>(), name in "kuzzle_[a-zA-Z_]{0,20}") {
        for sources in [
            file(&text),
            Sources::new().environment([(name, text.clone())]),
            Sources::new().assign(text.clone()),
            Sources::new().assign(format!("plugins.cluster.seeds={text}")),
        ] {
            if let Err(error) = Config::load(&sources) {
                prop_assert_ne!(error.to_string(), "");
            }
        }
    }
}

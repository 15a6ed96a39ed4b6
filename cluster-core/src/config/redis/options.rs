//! What was given for a Redis, as JSON: kept as it is, merged deeply, shown without its secrets.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::config::kinds::{Kind, Unfit};

/// The members that hold secrets.
const SECRETS: [&str; 3] = ["password", "sentinelPassword", "key"];

/// Options of a Redis client, in the shape that ioredis takes: an object, a list of nodes, or a text `redis://host:port`.
///
/// ```
/// use cluster_core::config::{Config, RedisOptions};
/// use serde_json::json;
///
/// let options = RedisOptions::from(json!({ "host": "redis", "port": 6379 }));
/// let config = Config::builder().redis(options).build()?;
/// assert_eq!(config.redis().unwrap().to_string(), "the Redis redis:6379");
/// # Ok::<(), cluster_core::config::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RedisOptions(pub(super) Value);

impl From<Value> for RedisOptions {
    fn from(given: Value) -> Self {
        Self(given)
    }
}

impl FromStr for RedisOptions {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&masked(&self.0), f)
    }
}

/// Options of a Redis client; what they mean is read with the other settings.
pub(in crate::config) struct Tree;

impl Kind<RedisOptions> for Tree {
    // What is refused here may be a password in the wrong place.
    const SECRET: bool = true;

    fn expected(&self) -> String {
        "an object such as {\"host\": \"redis\", \"port\": 6379}, a list of such for a Redis Cluster, or false".to_owned()
    }

    fn read(&self, given: &Value) -> Result<RedisOptions, Unfit> {
        match given {
            Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Bool(false) => {
                Ok(RedisOptions(given.clone()))
            }
            _ => Err(Unfit::Unexpected),
        }
    }

    fn show(&self, value: &RedisOptions) -> Value {
        masked(&value.0)
    }
}

/// As it was given, without secrets. JSON from a file is at most 512 deep.
fn masked(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                let secret = SECRETS.contains(&name.as_str()) && !member.is_null();
                (name.clone(), if secret { "***".into() } else { masked(member) })
            })
            .collect(),
        Value::Array(elements) => elements.iter().map(masked).collect(),
        Value::String(text) => masked_url(text).into(),
        other => other.clone(),
    }
}

/// Without the name and password of a URL.
fn masked_url(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        _ => text.to_owned(),
    }
}

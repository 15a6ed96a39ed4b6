//! From options to settings: which of the places counts, and what they mean together.

use redis::{ConnectionAddr, IntoConnectionInfo as _};
use serde_json::{Map, Value};

use super::fields::{Fields, Rest};
use super::options::RedisOptions;
use super::{
    DEFAULT_REDIS_PORT, DEFAULT_SENTINEL_PORT, RedisHost, RedisLogin, RedisSettings, RedisTls, RedisTopology,
};
use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::config::sources::Source;
use crate::config::table::Sourced;

const OWN: &str = "plugins.cluster.redis";
const NODE: &str = "services.internalCache.node";
const NODES: &str = "services.internalCache.nodes";
const OPTIONS: &str = "services.internalCache.options";
const CLUSTER_OPTIONS: &str = "services.internalCache.clusterOptions";
/// What a server's options may hold.
const KNOWN: &str = "host, port, username, password, db, tls, sentinels, name, sentinelUsername, sentinelPassword, sentinelTLS, enableTLSForSentinelMode";

type Options = Map<String, Value>;

/// Where options were given, for errors.
#[derive(Clone, Copy)]
struct Place<'a> {
    key: &'static str,
    given_by: &'a Source,
}

impl Place<'_> {
    /// What the host's own settings hold is not all for us.
    fn rest(self) -> Rest {
        if self.key == OWN { Rest::Refused } else { Rest::LeftAlone }
    }

    fn refuse(self, problem: String) -> ConfigError {
        ConfigError::Invalid { key: self.key, given_by: self.given_by.clone(), problem }
    }
}

/// What `plugins.cluster.redis` says, else what the host's own cache uses: `nodes`, else `node`.
pub(super) fn settings(settings: &Settings) -> Result<Option<RedisSettings>, ConfigError> {
    match &settings.redis {
        Sourced { value: Some(RedisOptions(own)), source } => {
            let place = Place { key: OWN, given_by: source };
            match own {
                Value::Bool(_) => Ok(None),
                Value::Array(nodes) => cluster(place, nodes, Options::new(), None).map(Some),
                one => single(place, object(place, one)?, None).map(Some),
            }
        }
        _ => cache(settings),
    }
}

fn cache(settings: &Settings) -> Result<Option<RedisSettings>, ConfigError> {
    let database = settings.cache_database.value;
    let options = given(OPTIONS, &settings.cache_options)?.map(|(_, options)| options).unwrap_or_default();
    if let Sourced { value: Some(RedisOptions(nodes)), source } = &settings.cache_nodes {
        let place = Place { key: NODES, given_by: source };
        let Value::Array(nodes) = nodes else {
            return Err(place.refuse(
                "a list of nodes is wanted, such as [{\"host\": \"redis\", \"port\": 6379}]".to_owned(),
            ));
        };
        if !nodes.is_empty() {
            let mut common = redis_options(settings)?;
            common.extend(options);
            return cluster(place, nodes, common, database).map(Some);
        }
    }
    let names_a_host =
        |options: &Options| ["host", "port", "sentinels"].iter().any(|name| options.contains_key(*name));
    match given(NODE, &settings.cache_node)? {
        Some((place, mut node)) => {
            node.extend(options);
            single(place, node, database).map(Some)
        }
        None if names_a_host(&options) => {
            let place = Place { key: OPTIONS, given_by: &settings.cache_options.source };
            single(place, options, database).map(Some)
        }
        None => Ok(None),
    }
}

/// `clusterOptions.redisOptions`; what else is there tunes another client.
fn redis_options(settings: &Settings) -> Result<Options, ConfigError> {
    let given = given(CLUSTER_OPTIONS, &settings.cache_cluster_options)?;
    let Some((place, mut options)) = given else { return Ok(Options::new()) };
    options.remove("redisOptions").map_or(Ok(Options::new()), |options| object(place, &options))
}

fn given<'a>(
    key: &'static str,
    setting: &'a Sourced<Option<RedisOptions>>,
) -> Result<Option<(Place<'a>, Options)>, ConfigError> {
    let place = Place { key, given_by: &setting.source };
    match &setting.value {
        None | Some(RedisOptions(Value::Bool(_))) => Ok(None),
        Some(RedisOptions(given)) => object(place, given).map(|options| Some((place, options))),
    }
}

/// An object as it is, or the options that a URL stands for.
fn object(place: Place<'_>, given: &Value) -> Result<Options, ConfigError> {
    match given {
        Value::Object(options) => Ok(options.clone()),
        Value::String(url) => url_options(url).map_err(|problem| place.refuse(problem)),
        _ => {
            Err(place.refuse("an object such as {\"host\": \"redis\", \"port\": 6379} is wanted".to_owned()))
        }
    }
}

/// The text of a URL may hold a password: it is not repeated.
fn url_options(url: &str) -> Result<Options, String> {
    let wanted = || {
        "the text is no URL of a Redis: write redis://user:password@host:6379/0, with rediss for TLS"
            .to_owned()
    };
    let url = if url.contains("://") { url.to_owned() } else { format!("redis://{url}") };
    let info = url.into_connection_info().map_err(|_| wanted())?;
    let (host, port, secured) = match info.addr() {
        ConnectionAddr::Tcp(host, port) => (host, port, false),
        ConnectionAddr::TcpTls { host, port, .. } => (host, port, true),
        _ => return Err(wanted()),
    };
    let mut options = Options::new();
    options.insert("host".to_owned(), host.as_str().into());
    options.insert("port".to_owned(), (*port).into());
    options.insert("tls".to_owned(), secured.into());
    let redis = info.redis_settings();
    options.insert("username".to_owned(), redis.username().into());
    options.insert("password".to_owned(), redis.password().into());
    if redis.db() != 0 {
        options.insert("db".to_owned(), redis.db().into());
    }
    Ok(options)
}

fn single(place: Place<'_>, options: Options, database: Option<u32>) -> Result<RedisSettings, ConfigError> {
    server(Fields::new(options, place.rest()), database).map_err(|problem| place.refuse(problem))
}

fn server(mut fields: Fields, database: Option<u32>) -> Result<RedisSettings, String> {
    let host = fields.host(DEFAULT_REDIS_PORT)?;
    let login = fields.login("username", "password")?;
    let sentinel_login = fields.login("sentinelUsername", "sentinelPassword")?;
    let database = fields.database()?.or(database).unwrap_or(0);
    let (mut tls, sentinel_tls) = (fields.tls("tls")?, fields.tls("sentinelTLS")?);
    let tls_of_master = fields.flag("enableTLSForSentinelMode")?;
    let master = fields.text("name")?;
    let role = fields.text("role")?;
    let sentinels = fields.list("sentinels")?;
    fields.finish(KNOWN)?;
    if role.is_some_and(|role| &*role != "master") {
        return Err("role has to be master: other nodes are found through the master alone".to_owned());
    }
    let topology = if sentinels.is_empty() {
        RedisTopology::Single(host.unwrap_or_else(|| RedisHost::new("localhost", DEFAULT_REDIS_PORT)))
    } else {
        let master = master.ok_or("name is missing: the name that the sentinels know the master by")?;
        let sentinels = sentinels.iter().map(sentinel).collect::<Result<_, _>>()?;
        // ioredis takes silence for no; here no TLS is left out that was configured and not switched off.
        if tls_of_master == Some(false) {
            tls = None;
        }
        RedisTopology::Sentinel { sentinels, master, login: sentinel_login, tls: sentinel_tls }
    };
    Ok(RedisSettings { topology, database, login, tls })
}

fn sentinel(given: &Value) -> Result<RedisHost, String> {
    let Value::Object(options) = given else {
        return Err(
            "sentinels has to be a list such as [{\"host\": \"sentinel\", \"port\": 26379}]".to_owned()
        );
    };
    let mut fields = Fields::new(options.clone(), Rest::Refused);
    let host = fields.host(DEFAULT_SENTINEL_PORT)?;
    fields.finish("host, port")?;
    host.ok_or_else(|| "a sentinel has neither host nor port".to_owned())
}

/// Nodes with options that hold for all of them; what a node says itself counts more.
fn cluster(
    place: Place<'_>,
    nodes: &[Value],
    common: Options,
    database: Option<u32>,
) -> Result<RedisSettings, ConfigError> {
    let mut hosts = Vec::new();
    let mut access: Option<Access> = None;
    for node in nodes {
        let mut options = common.clone();
        options.extend(object(place, node)?);
        let (host, own) = cluster_node(Fields::new(options, place.rest()), database)
            .map_err(|problem| place.refuse(problem))?;
        if own.database != 0 {
            let (key, given_by) = (place.key, place.given_by.clone());
            return Err(ConfigError::RedisClusterDatabase { key, given_by, database: own.database });
        }
        hosts.push(host);
        if *access.get_or_insert_with(|| own.clone()) != own {
            return Err(place.refuse(
                "its nodes differ in user, password or tls, which a Redis Cluster has in common".to_owned(),
            ));
        }
    }
    let access = access.ok_or_else(|| place.refuse("the list of nodes is empty".to_owned()))?;
    let topology = RedisTopology::Cluster(hosts.into());
    Ok(RedisSettings { topology, database: 0, login: access.login, tls: access.tls })
}

/// What all nodes of a Redis Cluster have in common.
#[derive(Clone, PartialEq, Eq)]
struct Access {
    login: RedisLogin,
    tls: Option<RedisTls>,
    database: u32,
}

fn cluster_node(mut fields: Fields, database: Option<u32>) -> Result<(RedisHost, Access), String> {
    let host = fields.host(DEFAULT_REDIS_PORT)?.ok_or("a node has neither host nor port")?;
    let login = fields.login("username", "password")?;
    let tls = fields.tls("tls")?;
    let database = fields.database()?.or(database).unwrap_or(0);
    fields.finish("host, port, username, password, db, tls")?;
    Ok((host, Access { login, tls, database }))
}

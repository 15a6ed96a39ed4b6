//! The options of one server, as ioredis names them.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{PemSource, RedisHost, RedisLogin, RedisTls, RedisVerification, Secret};

/// What says how a client behaves that is not this one.
const TUNING: [&str; 24] = [
    "autoPipeliningIgnoredCommands",
    "autoResendUnfulfilledCommands",
    "autoResubscribe",
    "commandTimeout",
    "connectTimeout",
    "connectionName",
    "enableAutoPipelining",
    "enableOfflineQueue",
    "enableReadyCheck",
    "family",
    "keepAlive",
    "keyPrefix",
    "lazyConnect",
    "maxLoadingRetryTime",
    "maxRetriesPerRequest",
    "monitor",
    "noDelay",
    "readOnly",
    "reconnectOnError",
    "retryStrategy",
    "sentinelMaxConnections",
    "sentinelRetryStrategy",
    "showFriendlyErrorStack",
    "stringNumbers",
];
/// How a PEM text begins.
const PEM: &str = "-----BEGIN ";

/// The members of an object that are read one by one; a problem names the member.
pub(super) struct Fields {
    members: Map<String, Value>,
    rest: Rest,
    /// Where they stand, such as `tls.`.
    path: &'static str,
}

/// What becomes of members that nobody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// They are a mistake.
    Refused,
    /// They are for another part of the host.
    LeftAlone,
}

/// A member that cannot be left alone: it says where the server is.
const SOCKET: &str = "path";

impl Fields {
    pub(super) fn new(members: Map<String, Value>, rest: Rest) -> Self {
        Self { members, rest, path: "" }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    fn problem(&self, name: &str, expected: &str) -> String {
        format!("{}{name} has to be {expected}", self.path)
    }

    /// A text that is not empty. A password of digits arrives as a number.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<Arc<str>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.into())),
            Some(Value::String(_)) => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number.to_string().into())),
            Some(_) => Err(self.problem(name, "a text")),
        }
    }

    pub(super) fn port(&mut self, name: &str) -> Result<Option<u16>, String> {
        let Some(given) = self.take(name) else { return Ok(None) };
        let number = number(&given).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        number.map(Some).ok_or_else(|| self.problem(name, "a number from 1 to 65535"))
    }

    pub(super) fn database(&mut self) -> Result<Option<u32>, String> {
        let Some(given) = self.take("db") else { return Ok(None) };
        let number = number(&given).and_then(|number| u32::try_from(number).ok());
        number.map(Some).ok_or_else(|| self.problem("db", "a whole number"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
            Some(_) => Err(self.problem(name, "true or false")),
        }
    }

    pub(super) fn login(&mut self, user: &str, password: &str) -> Result<RedisLogin, String> {
        Ok(RedisLogin { user: self.text(user)?, password: self.text(password)?.map(Secret::new) })
    }

    pub(super) fn host(&mut self, default_port: u16) -> Result<Option<RedisHost>, String> {
        let (host, port) = (self.text("host")?, self.port("port")?);
        if host.is_none() && port.is_none() {
            return Ok(None);
        }
        let host = host.unwrap_or_else(|| "localhost".into());
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        Ok(Some(RedisHost::new(bare.unwrap_or(&host), port.unwrap_or(default_port))))
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, String> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(elements)) => Ok(elements),
            Some(_) => Err(self.problem(name, "a list")),
        }
    }

    /// `true`, or an object with what differs from the defaults; `false` is plaintext.
    pub(super) fn tls(&mut self, name: &'static str) -> Result<Option<RedisTls>, String> {
        match self.take(name) {
            None | Some(Value::Bool(false)) => Ok(None),
            Some(Value::Bool(true)) => Ok(Some(RedisTls::default())),
            Some(Value::String(text)) if text == "true" => Ok(Some(RedisTls::default())),
            Some(Value::String(text)) if text == "false" => Ok(None),
            Some(Value::Object(members)) => {
                Self { members, rest: self.rest, path: "tls." }.tls_members().map(Some)
            }
            Some(_) => Err(self.problem(name, "true, or an object with ca, cert and key")),
        }
    }

    fn tls_members(mut self) -> Result<RedisTls, String> {
        let authorities = match self.take("ca") {
            Some(Value::Array(elements)) => elements.iter().map(pem).collect::<Option<Vec<_>>>(),
            Some(one) => pem(&one).map(|one| vec![one]),
            None => Some(Vec::new()),
        };
        let authorities = authorities.ok_or_else(|| self.problem("ca", PEM_EXPECTED))?;
        let identity = match (self.pem("cert")?, self.pem("key")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("tls.cert and tls.key have to be given together".to_owned()),
        };
        if self.take("servername").is_some() {
            return Err(
                "tls.servername is not supported: certificates are checked for the host that is dialled"
                    .to_owned(),
            );
        }
        let verification = match self.flag("rejectUnauthorized")? {
            Some(false) => RedisVerification::DangerousNone,
            _ => RedisVerification::Full,
        };
        self.finish("ca, cert, key, rejectUnauthorized")?;
        Ok(RedisTls { authorities: authorities.into(), identity, verification })
    }

    fn pem(&mut self, name: &str) -> Result<Option<PemSource>, String> {
        let Some(given) = self.take(name) else { return Ok(None) };
        pem(&given).map(Some).ok_or_else(|| self.problem(name, PEM_EXPECTED))
    }

    /// Refuses what was not read and says nothing to a client either.
    pub(super) fn finish(mut self, known: &str) -> Result<(), String> {
        self.members.retain(|name, value| !value.is_null() && !TUNING.contains(&name.as_str()));
        let matters = |name: &&String| self.rest == Rest::Refused || *name == SOCKET;
        match self.members.keys().find(matters) {
            None => Ok(()),
            Some(name) => Err(format!("{}{name} is not known here; known are {known}", self.path)),
        }
    }
}

const PEM_EXPECTED: &str = "the path of a PEM file, or its text";

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn pem(value: &Value) -> Option<PemSource> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    Some(if text.contains(PEM) { PemSource::Text(text.into()) } else { PemSource::File(PathBuf::from(text)) })
}

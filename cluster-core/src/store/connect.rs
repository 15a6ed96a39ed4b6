//! From settings to a connection.

use cluster_transport::tls::install_ring_if_none;
use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, TlsCertificates, TlsMode,
};

use super::CALL_DEADLINE;
use super::error::StoreError;
use super::link::Link;
use crate::config::{
    PemSource, RedisHost, RedisLogin, RedisSettings, RedisTls, RedisTopology, RedisVerification,
};

/// What a connection is made from: the settings, with the texts of the files that they name.
pub(super) struct Connector<'a> {
    settings: &'a RedisSettings,
    tls: Option<Tls>,
    sentinel_tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    mode: TlsMode,
    certificates: TlsCertificates,
}

impl<'a> Connector<'a> {
    /// Reads the files anew: certificates may have been replaced since the last connection.
    pub(super) async fn new(settings: &'a RedisSettings) -> Result<Self, StoreError> {
        let sentinel_tls = match settings.topology() {
            RedisTopology::Sentinel { tls, .. } => tls.as_ref(),
            RedisTopology::Single(_) | RedisTopology::Cluster(_) => None,
        };
        let tls = read_all(settings, settings.tls()).await?;
        let sentinel_tls = read_all(settings, sentinel_tls).await?;
        if tls.is_some() || sentinel_tls.is_some() {
            // The library of Redis takes the provider of the process and panics if there is none.
            install_ring_if_none();
        }
        Ok(Self { settings, tls, sentinel_tls })
    }

    /// Has no deadline of its own over all steps.
    pub(super) async fn connect(&self) -> Result<Link, RedisError> {
        match self.settings.topology() {
            RedisTopology::Single(host) => self.single(host).await,
            RedisTopology::Sentinel { sentinels, master, login, .. } => {
                self.through_sentinels(sentinels, master, login).await
            }
            RedisTopology::Cluster(nodes) => self.cluster(nodes).await,
        }
    }

    async fn single(&self, host: &RedisHost) -> Result<Link, RedisError> {
        let info = self.info(host)?;
        let client = match &self.tls {
            Some(tls) => Client::build_with_tls(info, tls.certificates.clone())?,
            None => Client::open(info)?,
        };
        client.get_multiplexed_async_connection_with_config(&config()).await.map(Link::Server)
    }

    async fn cluster(&self, nodes: &[RedisHost]) -> Result<Link, RedisError> {
        let nodes = nodes.iter().map(|node| self.info(node)).collect::<Result<Vec<_>, _>>()?;
        let mut client = ClusterClient::builder(nodes)
            .connection_timeout(CALL_DEADLINE)
            .response_timeout(CALL_DEADLINE)
            .overall_response_timeout(Some(CALL_DEADLINE));
        if let Some(tls) = &self.tls {
            client = client.tls(tls.mode).certs(tls.certificates.clone());
        }
        client.build()?.get_async_connection().await.map(Link::Cluster)
    }

    async fn through_sentinels(
        &self,
        sentinels: &[RedisHost],
        master: &str,
        login: &RedisLogin,
    ) -> Result<Link, RedisError> {
        let addresses = sentinels.iter().map(|sentinel| address(sentinel, self.sentinel_tls.as_ref()));
        let mut client = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
            .set_client_to_redis_db(self.settings.database().into());
        if let Some(user) = &self.settings.login().user {
            client = client.set_client_to_redis_username(user);
        }
        if let Some(password) = &self.settings.login().password {
            client = client.set_client_to_redis_password(password.expose());
        }
        if let Some(user) = &login.user {
            client = client.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &login.password {
            client = client.set_client_to_sentinel_password(password.expose());
        }
        if let Some(tls) = &self.tls {
            client = client.set_client_to_redis_tls_mode(tls.mode);
            client = client.set_client_to_redis_certificates(tls.certificates.clone());
        }
        if let Some(tls) = &self.sentinel_tls {
            client = client.set_client_to_sentinel_tls_mode(tls.mode);
            client = client.set_client_to_sentinel_certificates(tls.certificates.clone());
        }
        client.build()?.get_async_connection_with_config(&config()).await.map(Link::Server)
    }

    fn info(&self, host: &RedisHost) -> Result<ConnectionInfo, RedisError> {
        let login = self.settings.login();
        let mut redis = RedisConnectionInfo::default().set_db(self.settings.database().into());
        if let Some(user) = &login.user {
            redis = redis.set_username(user);
        }
        if let Some(password) = &login.password {
            redis = redis.set_password(password.expose());
        }
        Ok(address(host, self.tls.as_ref()).into_connection_info()?.set_redis_settings(redis))
    }
}

/// Without deadlines: those of the store are the ones that count, and that errors name.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

fn address(host: &RedisHost, tls: Option<&Tls>) -> ConnectionAddr {
    let (port, insecure) = (host.port(), tls.map(|tls| tls.mode == TlsMode::Insecure));
    let host = host.host().to_owned();
    match insecure {
        None => ConnectionAddr::Tcp(host, port),
        Some(insecure) => ConnectionAddr::TcpTls { host, port, insecure, tls_params: None },
    }
}

async fn read_all(settings: &RedisSettings, tls: Option<&RedisTls>) -> Result<Option<Tls>, StoreError> {
    let Some(tls) = tls else { return Ok(None) };
    let mut roots = Vec::new();
    for authority in tls.authorities.iter() {
        roots.extend(read(settings, authority).await?);
        roots.push(b'\n');
    }
    let client_tls = match &tls.identity {
        Some((certificate, key)) => Some(ClientTlsConfig {
            client_cert: read(settings, certificate).await?,
            client_key: read(settings, key).await?,
        }),
        None => None,
    };
    let mode = match tls.verification {
        RedisVerification::Full => TlsMode::Secure,
        RedisVerification::DangerousNone => TlsMode::Insecure,
    };
    let certificates = TlsCertificates { client_tls, root_cert: (!roots.is_empty()).then_some(roots) };
    Ok(Some(Tls { mode, certificates }))
}

/// PEM files are small, and read once a connection.
async fn read(settings: &RedisSettings, source: &PemSource) -> Result<Vec<u8>, StoreError> {
    match source {
        PemSource::Text(text) => Ok(text.as_bytes().to_vec()),
        PemSource::File(path) => {
            let (path, for_error) = (path.clone(), path.clone());
            let text = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
            let text = text.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            text.map_err(|error| StoreError::unreadable(settings, &for_error, &error))
        }
    }
}

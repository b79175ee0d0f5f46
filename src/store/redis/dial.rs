//! How a connection comes about: to one server, to the primary that Sentinels name, or to every node of a cluster; in clear or
//! over TLS.

use std::{future::Future, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, ProtocolVersion, RedisError, RedisFuture, RedisResult,
    TlsCertificates, Value,
    aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use tokio::time::timeout;

use super::keys::slot;

/// Longest a connection to one node may take to come up. Longer than a call's limit: it goes on in the background.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// The same for all that a cluster or Sentinels take: some nodes may be silent before one answers.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(3);
/// Commands waiting to be written to one connection before callers wait, too (the crate's own 50 costs under load).
const PIPELINE_BUFFER_COMMANDS: usize = 1_024;
/// Times a cluster's client follows a redirection or another connection for one command; the call's limit ends it before.
const CLUSTER_TRIES: u32 = 6;
/// Bounds of its pauses between them, in ms.
const CLUSTER_PAUSE_MS: std::ops::Range<u64> = 4..32;

/// What commands go out on.
#[derive(Clone)]
pub(super) enum Wire {
    Node(MultiplexedConnection),
    /// Finds each key's node, and follows it when it moves.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Node(node) => node.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Node(node) => node.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Node(node) => node.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

/// Of the Sentinels: which primary is asked for, and who asks.
#[derive(Clone)]
pub(super) struct Watched {
    pub primary: String,
    pub username: String,
    pub password: String,
}

/// Where Redis is.
#[derive(Clone)]
pub(super) enum Place {
    Single,
    Cluster,
    Sentinel(Watched),
}

#[derive(Clone)]
pub(super) struct Dialer {
    place: Place,
    /// One server; or some nodes of the cluster; or the Sentinels, with what the primary wants to know. Not empty.
    first: ConnectionInfo,
    others: Vec<ConnectionInfo>,
    certificates: Option<TlsCertificates>,
}

impl Dialer {
    pub(super) fn new(place: Place, first: ConnectionInfo, others: Vec<ConnectionInfo>, certificates: Option<TlsCertificates>) -> Self {
        if is_tls(&first) {
            // The first one of a process stays: there is no other in this one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        // RESP3 tells at once when the server closes a connection.
        let resp3 = |info: ConnectionInfo| {
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            info.set_redis_settings(settings)
        };
        Self { place, first: resp3(first), others: others.into_iter().map(resp3).collect(), certificates }
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.place, Place::Cluster)
    }

    /// `answer_limit` is for one answer; `None` for a connection that blocks.
    pub(super) async fn dial(&self, answer_limit: Option<Duration>, pushes: impl AsyncPushSender) -> RedisResult<Wire> {
        let config = node_config(answer_limit).set_push_sender(pushes);
        match &self.place {
            Place::Single => within(CONNECT_LIMIT, self.node(self.first.clone(), &config)).await.map(Wire::Node),
            Place::Sentinel(watched) => within(DISCOVERY_LIMIT, self.watched(watched, &config)).await.map(Wire::Node),
            Place::Cluster => within(DISCOVERY_LIMIT, self.cluster(answer_limit)).await.map(Wire::Cluster),
        }
    }

    async fn node(&self, info: ConnectionInfo, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        let client = match &self.certificates {
            Some(certificates) if is_tls(&info) => Client::build_with_tls(info, certificates.clone())?,
            _ => Client::open(info)?,
        };
        client.get_multiplexed_async_connection_with_config(config).await
    }

    async fn watched(&self, watched: &Watched, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        let sentinels = std::iter::once(&self.first).chain(&self.others).map(|info| info.addr().clone());
        let settings = self.first.redis_settings();
        let mut builder = SentinelClientBuilder::new(sentinels, &watched.primary, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_db(settings.db());
        if let Some(user) = settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if !watched.username.is_empty() {
            builder = builder.set_client_to_sentinel_username(&watched.username);
        }
        if !watched.password.is_empty() {
            builder = builder.set_client_to_sentinel_password(&watched.password);
        }
        if is_tls(&self.first) {
            builder = builder.set_client_to_redis_tls_mode(redis::TlsMode::Secure).set_client_to_sentinel_tls_mode(redis::TlsMode::Secure);
            if let Some(certificates) = &self.certificates {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates.clone());
            }
        }
        builder.build()?.get_async_connection_with_config(config).await
    }

    async fn cluster(&self, answer_limit: Option<Duration>) -> RedisResult<ClusterConnection> {
        let nodes = std::iter::once(&self.first).chain(&self.others).cloned();
        let mut builder = ClusterClient::builder(nodes)
            .use_protocol(ProtocolVersion::RESP3)
            .retries(CLUSTER_TRIES)
            .min_retry_wait(CLUSTER_PAUSE_MS.start)
            .max_retry_wait(CLUSTER_PAUSE_MS.end)
            .connection_timeout(CONNECT_LIMIT)
            // Every call has its own limit.
            .overall_response_timeout(None);
        if let Some(limit) = answer_limit {
            builder = builder.response_timeout(limit);
        }
        if let Some(certificates) = self.certificates.as_ref().filter(|_| is_tls(&self.first)) {
            builder = builder.certs(certificates.clone());
        }
        builder.build()?.get_async_connection().await
    }

    /// A connection of its own to the node with `key`, for commands that block.
    pub(super) async fn dial_for(&self, key: &str) -> RedisResult<MultiplexedConnection> {
        let wire = self.dial(None, no_pushes).await?;
        match wire {
            Wire::Node(node) => Ok(node),
            Wire::Cluster(mut cluster) => {
                let slot = slot(key.as_bytes());
                let shard = shards(&mut cluster).await?.into_iter().find(|shard| (shard.first_slot..=shard.last_slot).contains(&slot));
                let shard = shard.ok_or_else(|| RedisError::from((redis::ErrorKind::Io, "no node of the cluster has the key's slot")))?;
                self.shard(&shard).await
            }
        }
    }

    /// A connection of its own to every node that keys are on.
    pub(super) async fn dial_all(&self) -> RedisResult<Vec<MultiplexedConnection>> {
        match self.dial(None, no_pushes).await? {
            Wire::Node(node) => Ok(vec![node]),
            Wire::Cluster(mut cluster) => {
                let mut found = shards(&mut cluster).await?;
                found.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
                found.dedup_by(|a, b| (&a.host, a.port) == (&b.host, b.port));
                let mut nodes = Vec::with_capacity(found.len());
                for shard in &found {
                    nodes.push(self.shard(shard).await?);
                }
                Ok(nodes)
            }
        }
    }

    async fn shard(&self, shard: &Shard) -> RedisResult<MultiplexedConnection> {
        let (asked, port) = (shard.host.clone(), shard.port);
        let addr = match self.first.addr() {
            // A node that does not know its own name is where it was asked.
            ConnectionAddr::TcpTls { host, insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host: asked.unwrap_or_else(|| host.clone()),
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            ConnectionAddr::Tcp(host, _) => ConnectionAddr::Tcp(asked.unwrap_or_else(|| host.clone()), port),
            other => other.clone(),
        };
        within(CONNECT_LIMIT, self.node(self.first.clone().set_addr(addr), &node_config(None))).await
    }
}

/// A run of slots and the primary that has them.
struct Shard {
    first_slot: u16,
    last_slot: u16,
    host: Option<String>,
    port: u16,
}

async fn shards(cluster: &mut ClusterConnection) -> RedisResult<Vec<Shard>> {
    let rows: Vec<Vec<Value>> = redis::cmd("CLUSTER").arg("SLOTS").query_async(cluster).await?;
    let read = |row: Vec<Value>| -> RedisResult<Shard> {
        let [first, last, primary, ..] = row.as_slice() else {
            return Err((redis::ErrorKind::Parse, "CLUSTER SLOTS has a row without a primary").into());
        };
        let primary: Vec<Value> = redis::from_redis_value_ref(primary)?;
        let [host, port, ..] = primary.as_slice() else {
            return Err((redis::ErrorKind::Parse, "CLUSTER SLOTS has a primary without an address").into());
        };
        let host: Option<String> = redis::from_redis_value_ref(host)?;
        Ok(Shard {
            first_slot: redis::from_redis_value_ref(first)?,
            last_slot: redis::from_redis_value_ref(last)?,
            host: host.filter(|host| !host.is_empty()),
            port: redis::from_redis_value_ref(port)?,
        })
    };
    rows.into_iter().map(read).collect()
}

fn node_config(answer_limit: Option<Duration>) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(answer_limit)
        .set_pipeline_buffer_size(PIPELINE_BUFFER_COMMANDS)
}

fn is_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

fn no_pushes(_: redis::PushInfo) -> Result<(), redis::aio::SendError> {
    Ok(())
}

async fn within<T>(limit: Duration, dialling: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(limit, dialling).await.unwrap_or_else(|_| Err((redis::ErrorKind::Io, "no connection within its time limit").into()))
}

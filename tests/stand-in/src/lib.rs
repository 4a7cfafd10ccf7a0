//! A local stand-in for Supabase, for development and tests: real PostgreSQL under real row level security, and the
//! parts of Auth, REST and Realtime that chopped-chat touches. README.md says what it imitates and what not.

pub mod admin;
pub mod auth;
pub mod faults;
pub mod network;
pub mod postgres;
pub mod realtime;
pub mod rest;
pub mod serve;
mod sql;
pub mod tokens;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use anyhow::Context;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod};
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use faults::{Faults, Place, Subject};
use network::Network;
use postgres::{Postgres, PostgresOptions};
use realtime::{hub::Hub, stream};
use tokens::Tokens;

/// Known to everybody, like the one of `supabase start`: the stand-in listens on this machine only.
const DEFAULT_SECRET: &str = "a-secret-that-everybody-knows-of-the-local-stand-in";
/// What the sockets get to send their close 1012, as the real server does at its end.
const GOODBYE: Duration = Duration::from_millis(100);
/// What a browser may remember the answer to a preflight for, until the admin port says otherwise.
const PREFLIGHT_AGE_S: u64 = 3600;
const POOL_SIZE: usize = 16;
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// How to start the stand-in. A port of 0 takes a free one.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub port: u16,
    pub admin_port: u16,
    /// An existing PostgreSQL, as a superuser; absent, one is started.
    pub database_url: Option<String>,
    pub postgres: PostgresOptions,
    /// Applied in the order of their names as the role `postgres`.
    pub migrations: Option<PathBuf>,
    /// For HS256, at least 32 bytes.
    pub jwt_secret: Option<String>,
    pub settings: Settings,
}

#[derive(Debug, Clone)]
pub struct Settings {
    /// What the answer to a refused join is held back.
    pub refused_join: Duration,
    /// What the answer to a refused handshake is held back.
    pub refused_connect: Duration,
    /// The lifetime of an access token.
    pub jwt_expiry: Duration,
    /// A socket without a frame from its client for so long is closed with 1000.
    pub idle: Duration,
    /// How long a channel that asked for `replication_ready` waits for it before it is closed.
    pub replication_ready: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            refused_join: Duration::from_secs(5),
            refused_connect: Duration::from_secs(2),
            jwt_expiry: Duration::from_secs(3600),
            idle: Duration::from_secs(60),
            replication_ready: Duration::from_secs(60),
        }
    }
}

/// Where a running stand-in is and what opens it: the line that the binary prints.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    pub url: String,
    pub anon_key: String,
    pub publishable_key: String,
    pub service_role_key: String,
    /// As the role `postgres`.
    pub database_url: String,
    pub admin_url: String,
    pub jwt_secret: String,
}

/// A running stand-in. Dropping it ends it, an embedded PostgreSQL included.
pub struct Stack {
    pub endpoints: Endpoints,
    pub server: Arc<Server>,
    tasks: JoinSet<()>,
    postgres: Postgres,
}

impl Stack {
    /// # Errors
    /// Where PostgreSQL does not start, a migration fails, or a port is taken.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let secret = options.jwt_secret.unwrap_or_else(|| DEFAULT_SECRET.to_owned());
        anyhow::ensure!(
            secret.len() >= 32,
            "--jwt-secret must have at least 32 characters, as a Supabase project's has"
        );
        let (listener, url) = bind(options.port).await?;
        let (admin_listener, admin_url) = bind(options.admin_port).await?;
        let postgres = match &options.database_url {
            Some(url) => Postgres::connect_existing(url).await?,
            None => Postgres::start(options.postgres).await?,
        };
        postgres.apply_schema().await?;
        let superuser = pool(&postgres.superuser_url, None)?;
        {
            let client = superuser.get().await?;
            let installed = stream::install(&client).await;
            installed.context("cannot install the stand-in's trigger on realtime.messages")?;
        }
        if let Some(migrations) = &options.migrations {
            postgres.apply_migrations(migrations).await?;
        }
        let tokens = Tokens::new(&secret)?;
        let server = Arc::new(Server {
            url: url.clone(),
            anon_key: tokens.legacy_key("anon"),
            service_role_key: tokens.legacy_key("service_role"),
            publishable_key: tokens.publishable_key(),
            tokens,
            rest: pool(&postgres.superuser_url, Some("authenticator"))?,
            superuser,
            cache: rest::catalog::Cache::default(),
            hub: Arc::new(Hub::default()),
            faults: Arc::new(Faults::default()),
            network: Network::default(),
            jwt_expiry_s: AtomicU64::new(options.settings.jwt_expiry.as_secs()),
            preflight_age_s: Mutex::new(Some(PREFLIGHT_AGE_S)),
            settings: options.settings,
            requests: Mutex::default(),
            partitions_on: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        let (ready, streaming) = oneshot::channel();
        tasks.spawn(stream::run(
            postgres.superuser_url.clone(),
            Arc::clone(&server.hub),
            Arc::clone(&server.faults),
            ready,
        ));
        streaming.await.context("the stream of realtime.messages did not start")?;
        tasks.spawn(serve::run(listener, server.router(), Some(Arc::clone(&server))));
        let admin = admin::router(Arc::clone(&server));
        tasks.spawn(serve::run(admin_listener, admin, None));
        let endpoints = Endpoints {
            url,
            anon_key: server.anon_key.clone(),
            publishable_key: server.publishable_key.clone(),
            service_role_key: server.service_role_key.clone(),
            database_url: postgres.url.clone(),
            admin_url,
            jwt_secret: secret,
        };
        Ok(Self { endpoints, server, tasks, postgres })
    }

    /// # Errors
    /// Where an embedded PostgreSQL does not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if self.server.hub.restart() > 0 {
            tokio::time::sleep(GOODBYE).await;
        }
        self.tasks.shutdown().await;
        self.server.superuser.close();
        self.server.rest.close();
        self.postgres.stop().await
    }
}

/// What all services share.
pub struct Server {
    pub url: String,
    pub anon_key: String,
    pub publishable_key: String,
    pub service_role_key: String,
    pub tokens: Tokens,
    pub hub: Arc<Hub>,
    pub faults: Arc<Faults>,
    pub network: Network,
    pub settings: Settings,
    /// Seconds that an access token lasts from now on; `Settings::jwt_expiry` until the admin port says otherwise.
    pub jwt_expiry_s: AtomicU64,
    /// `Access-Control-Max-Age`, or none.
    preflight_age_s: Mutex<Option<u64>>,
    superuser: Pool,
    /// Connections of the role `authenticator`, which may become anon, authenticated and service_role.
    rest: Pool,
    cache: rest::catalog::Cache,
    requests: Mutex<BTreeMap<String, u64>>,
    /// The day, since 1970, for which partitions were made.
    partitions_on: AtomicU64,
}

impl Server {
    fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .nest("/auth/v1", auth::router())
            .route("/rest/v1/", any(rest::root))
            .route("/rest/v1/{table}", any(rest::table))
            .route("/rest/v1/rpc/{function}", any(rest::rpc))
            .route("/rest/v1/{table}/{*deeper}", any(rest::deeper))
            .route("/realtime/v1/websocket", get(realtime::connect))
            .fallback(not_imitated)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(Arc::clone(self))
    }

    /// The gateway's part: an opaque key stands for a legacy one.
    pub fn translate_key<'a>(&'a self, key: &'a str) -> &'a str {
        if key == self.publishable_key { &self.anon_key } else { key }
    }

    pub fn is_key(&self, key: &str) -> bool {
        [&self.anon_key, &self.publishable_key, &self.service_role_key].iter().any(|k| *k == key)
    }

    pub fn preflight_age_s(&self) -> Option<u64> {
        *self.preflight_age_s.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_preflight_age_s(&self, age: Option<u64>) {
        *self.preflight_age_s.lock().unwrap_or_else(PoisonError::into_inner) = age;
    }

    /// How a transaction begins, unless it only reads anyway.
    fn begin(&self) -> &'static str {
        let read_only = self.faults.at(Place::Database, &Subject::default()).is_some_and(|e| e.read_only);
        if read_only { "begin read only" } else { "begin" }
    }

    pub fn count(&self, method: &Method, path: &str) {
        let mut counts = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(format!("{method} {path}")).or_default() += 1;
    }

    pub fn request_counts(&self) -> BTreeMap<String, u64> {
        let counts = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }

    /// Makes the partitions of `realtime.messages` once a day.
    async fn keep_partitions(&self) -> anyhow::Result<()> {
        let today = tokens::now() / 86_400;
        if self.partitions_on.load(Ordering::Relaxed) != today {
            let client = self.superuser.get().await?;
            let sql = "select realtime.keep_message_partitions()";
            client.batch_execute(sql).await?;
            self.partitions_on.store(today, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn not_imitated(uri: Uri) -> Response {
    let message = format!(
        "the local stand-in for Supabase does not imitate {}; README.md in tests/stand-in lists what it does",
        uri.path()
    );
    let body = json!({"code": "not-imitated", "message": message, "msg": message});
    (StatusCode::NOT_IMPLEMENTED, Json(body)).into_response()
}

async fn bind(port: u16) -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("port {port} cannot be used: name another, or 0 for a free one"))?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// What a request that was given up leaves open on its connection is rolled back before the next one.
fn pool(url: &str, session_authorization: Option<&'static str>) -> anyhow::Result<Pool> {
    let recycling_method = RecyclingMethod::Custom("rollback".into());
    let manager = Manager::from_config(url.parse()?, NoTls, ManagerConfig { recycling_method });
    let mut builder = Pool::builder(manager).max_size(POOL_SIZE);
    if let Some(role) = session_authorization {
        builder = builder.post_create(Hook::async_fn(move |client, _| {
            Box::pin(async move {
                let sql = format!("set session authorization {role}");
                let done = client.batch_execute(&sql).await;
                done.map_err(HookError::Backend)
            })
        }));
    }
    Ok(builder.build()?)
}

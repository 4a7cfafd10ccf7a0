//! The product's SQL on a real PostgreSQL: a database of its own for each test, the people of the tests, and statements
//! run as PostgREST and Realtime run them.

pub mod catalog;
pub mod doors;
pub mod tally;
pub mod upgrade;
pub mod volume;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use serde_json::json;
use supabase_local::postgres::{Postgres, PostgresOptions, connect};
use tokio::sync::OnceCell;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Transaction};
use uuid::Uuid;

/// The tables of the plan's first version.
pub const PLAN: &str = include_str!("../fixtures/plan.sql");

/// One server for a test binary. It ends with the process.
static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A PostgreSQL with the templates of the databases that tests are given.
pub struct Server {
    postgres: Postgres,
    databases: AtomicU32,
}

/// The folder of the migrations.
pub fn migrations() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql")
}

/// The migrations, in their order.
pub fn migration_files() -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = std::fs::read_dir(migrations())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| file_name(path).ends_with(".sql") && file_name(path).starts_with(|c: char| c.is_ascii_digit()));
    files.sort();
    Ok(files)
}

pub fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Who a statement is run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Nobody signed in.
    Anon,
    /// Somebody signed in.
    User(Person),
    /// The backend.
    ServiceRole,
}

/// The people of the tests. Ana and Ben have a thread; so have Cleo and Dan, and Ana and Erin, whose account was deleted
/// while her token lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    Ana,
    Ben,
    Cleo,
    Dan,
    Erin,
}

impl Person {
    pub const ALL: [Person; 5] = [Person::Ana, Person::Ben, Person::Cleo, Person::Dan, Person::Erin];

    pub fn mongo_id(self) -> &'static str {
        match self {
            Person::Ana => "ana",
            Person::Ben => "ben",
            Person::Cleo => "cleo",
            Person::Dan => "dan",
            Person::Erin => "erin",
        }
    }

    pub fn supabase_id(self) -> Uuid {
        Uuid::from_u128(0xa000 + self as u128)
    }
}

impl Actor {
    pub fn role(self) -> &'static str {
        match self {
            Actor::Anon => "anon",
            Actor::User(_) => "authenticated",
            Actor::ServiceRole => "service_role",
        }
    }

    pub(crate) fn claims(self) -> serde_json::Value {
        match self {
            Actor::User(person) => json!({
                "role": "authenticated", "aud": "authenticated", "sub": person.supabase_id(),
                // Its user can write this; nothing may believe it.
                "user_metadata": {"mongoUserId": "ana", "sub": Person::Ana.supabase_id()},
            }),
            _ => json!({"role": self.role()}),
        }
    }

    /// Makes a transaction the actor's, as PostgREST does.
    pub async fn enter(self, transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        transaction
            .execute(
                "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
                &[&self.role(), &self.claims().to_string()],
            )
            .await?;
        Ok(())
    }
}

/// A database of its own.
pub struct Database {
    /// As `postgres`, the role that installs.
    pub url: String,
    pub superuser_url: String,
    authenticator_url: String,
}

impl Database {
    /// As a new Supabase project has it.
    pub async fn new_project() -> Result<Database> {
        Database::create("project").await
    }

    /// With the chat installed and nobody in it.
    pub async fn installed() -> Result<Database> {
        Database::create("chat").await
    }

    /// With the chat installed, the people, and their threads: ana__ben with three messages, cleo__dan and ana__erin with
    /// one each.
    pub async fn with_people() -> Result<Database> {
        Database::create("people").await
    }

    /// With the tables of the plan's first version, rows in them, and the accounts of the people.
    pub async fn of_the_plan() -> Result<Database> {
        let database = Database::new_project().await?;
        database.make_plan().await?;
        Ok(database)
    }

    pub(crate) async fn make_plan(&self) -> Result<()> {
        self.owner().await?.batch_execute(PLAN).await?;
        for person in Person::ALL {
            self.add_account(person).await?;
        }
        Ok(())
    }

    async fn create(template: &str) -> Result<Database> {
        SERVER.get_or_try_init(|| Server::start(&[])).await?.database(template).await
    }

    pub async fn superuser(&self) -> Result<Client> {
        connect(&self.superuser_url).await
    }

    pub async fn owner(&self) -> Result<Client> {
        connect(&self.url).await
    }

    /// Connects as PostgREST and the Realtime server do.
    pub async fn api(&self) -> Result<Client> {
        connect(&self.authenticator_url).await
    }

    /// Applies the migrations as `postgres`.
    pub async fn install(&self) -> Result<()> {
        Postgres::connect_existing(&self.url).await?.apply_migrations(&migrations()).await
    }

    pub async fn add_person(&self, person: Person) -> Result<()> {
        self.add_account(person).await?;
        self.link(person.mongo_id(), person.supabase_id()).await?;
        Ok(())
    }

    /// The Supabase account of somebody whom the backend has not linked.
    pub async fn add_account(&self, person: Person) -> Result<()> {
        let add = "insert into auth.users (id, email, raw_app_meta_data)
                   values ($1, $2 || '@example.com', jsonb_build_object('mongoUserId', $2))";
        self.superuser().await?.execute(add, &[&person.supabase_id(), &person.mongo_id()]).await?;
        Ok(())
    }

    pub async fn ensure_thread(&self, one: Person, other: Person) -> Result<()> {
        self.ensure(Some(one.mongo_id()), Some(other.mongo_id())).await?;
        Ok(())
    }

    /// `ensure_chat_thread`, as the backend calls it.
    pub async fn ensure(&self, one: Option<&str>, other: Option<&str>) -> Result<Vec<Row>> {
        self.run(Actor::ServiceRole, "select * from public.ensure_chat_thread($1, $2)", &[&one, &other]).await
    }

    /// `link_chat_identity`, as the backend calls it.
    pub async fn link(&self, mongo_id: &str, supabase_id: Uuid) -> Result<Vec<Row>> {
        self.run(Actor::ServiceRole, "select public.link_chat_identity($1, $2)", &[&mongo_id, &supabase_id]).await
    }

    /// Runs one statement in a transaction of its own, as PostgREST does.
    pub async fn run(&self, actor: Actor, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let mut client = self.api().await?;
        let transaction = client.transaction().await?;
        actor.enter(&transaction).await?;
        let rows = transaction.query(sql, parameters).await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// Whether Realtime would let the actor join a topic: the probe of protocol.md 2.6.
    pub async fn may_join(&self, actor: Actor, topic: &str, extension: &str) -> Result<bool> {
        let mut client = self.superuser().await?;
        let transaction = client.transaction().await?;
        let probe: Uuid = transaction
            .query_one(
                "insert into realtime.messages (topic, extension) values ($1, $2) returning id",
                &[&topic, &extension],
            )
            .await?
            .get(0);
        transaction.execute("select set_config('realtime.topic', $1, true)", &[&topic]).await?;
        actor.enter(&transaction).await?;
        let seen = transaction.query("select id from realtime.messages where id = $1", &[&probe]).await?;
        transaction.rollback().await?;
        Ok(!seen.is_empty())
    }

    /// Whether Realtime would let the actor send on a topic: the other probe of protocol.md 2.6.
    pub async fn may_send(&self, actor: Actor, topic: &str, extension: &str) -> Result<bool> {
        let mut client = self.superuser().await?;
        let transaction = client.transaction().await?;
        transaction.execute("select set_config('realtime.topic', $1, true)", &[&topic]).await?;
        actor.enter(&transaction).await?;
        let probe = "insert into realtime.messages (topic, extension) values ($1, $2)";
        match transaction.execute(probe, &[&topic, &extension]).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Sends as PostgREST does for the package: `insert_chat_message` by the sender.
pub async fn send(database: &Database, from: Person, to: Person, body: &str, id: Option<Uuid>) -> Result<Row> {
    let thread = thread_id(from, to);
    let rows = database
        .run(
            Actor::User(from),
            "select * from public.insert_chat_message($1, $2, $3, $4, $5)",
            &[&thread, &from.mongo_id(), &to.mongo_id(), &body, &id],
        )
        .await?;
    rows.into_iter().next().context("insert_chat_message returned no row")
}

pub fn thread_id(one: Person, other: Person) -> String {
    let mut ids = [one.mongo_id(), other.mongo_id()];
    ids.sort_unstable();
    ids.join("__")
}

/// The SQLSTATE of a refusal, or "" for an error that is not the database's.
pub fn sqlstate(error: &anyhow::Error) -> &str {
    error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.code()).map_or("", |code| code.code())
}

impl Server {
    /// Further `settings` are those of postgresql.conf.
    pub async fn start(settings: &[&str]) -> Result<Server> {
        // The order of commits is what the order of seq is held against.
        let ours = ["track_commit_timestamp=on", "max_connections=200"];
        let settings = ours.iter().chain(settings).map(|setting| (*setting).to_owned()).collect();
        let options = PostgresOptions { settings, ..PostgresOptions::default() };
        let server = Server { postgres: Postgres::start(options).await?, databases: AtomicU32::new(0) };
        server.postgres.apply_schema().await?;
        let project = server.create_database("project", "template1").await?;
        Postgres::connect_existing(&project.superuser_url).await?.apply_schema().await?;
        let chat = server.create_database("chat", "project").await?;
        chat.install().await?;
        let people = server.create_database("people", "chat").await?;
        for person in Person::ALL {
            people.add_person(person).await?;
        }
        use Person::*;
        for (one, other) in [(Ana, Ben), (Cleo, Dan), (Ana, Erin)] {
            people.ensure_thread(one, other).await?;
        }
        for (from, to) in [(Ana, Ben), (Ben, Ana), (Ana, Ben), (Cleo, Dan), (Erin, Ana)] {
            send(&people, from, to, "hello", None).await?;
        }
        people.superuser().await?.execute("delete from auth.users where id = $1", &[&Erin.supabase_id()]).await?;
        Ok(server)
    }

    /// A database made from the template `project`, `chat` or `people`.
    pub async fn database(&self, template: &str) -> Result<Database> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.create_database(&name, template).await
    }

    async fn create_database(&self, name: &str, template: &str) -> Result<Database> {
        let client = connect(&self.postgres.superuser_url).await?;
        // A template may not have a connection, and one that was just closed takes a moment to go.
        client
            .batch_execute(&format!(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{template}'"
            ))
            .await?;
        client
            .batch_execute(&format!("create database {name} template {template} owner postgres"))
            .await
            .with_context(|| format!("cannot make the database {name}"))?;
        let url_of = |role: &str| {
            let at = self.postgres.superuser_url.find('@').unwrap_or_default();
            let host = self.postgres.superuser_url[at..].trim_end_matches("postgres");
            format!("postgres://{role}:postgres{host}{name}")
        };
        Ok(Database {
            url: url_of("postgres"),
            superuser_url: url_of("supabase_admin"),
            authenticator_url: url_of("authenticator"),
        })
    }
}

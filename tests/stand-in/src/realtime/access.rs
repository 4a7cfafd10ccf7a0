//! Who may hear and who may speak on a private topic: asked of PostgreSQL under the row level security of
//! `realtime.messages`, with probe rows in transactions that are rolled back (protocol.md 2.6).

use deadpool_postgres::Pool;
use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;

use crate::Server;
use crate::sql::quote;
use crate::tokens::Claims;

/// `false` also where a policy raises, the role does not exist, or the probe row cannot be written, as in the real
/// server: Realtime's `authorization.ex` calls nearly every error of the database a refusal by the policy.
pub async fn may_read(server: &Server, claims: &Claims, topic: &str) -> anyhow::Result<bool> {
    let id = uuid::Uuid::new_v4();
    let batch = format!(
        "{begin};
         insert into realtime.messages (id, topic, extension) values ('{id}', {topic}, 'broadcast');
         {context}
         select id from realtime.messages where id = '{id}';
         rollback",
        begin = server.begin(),
        topic = quote(topic),
        context = context(claims, topic),
    );
    probe(&server.superuser, &batch, &id.to_string()).await
}

pub async fn may_write(server: &Server, claims: &Claims, topic: &str) -> anyhow::Result<bool> {
    let id = uuid::Uuid::new_v4();
    let batch = format!(
        "{begin};
         {context}
         insert into realtime.messages (id, topic, extension) values ('{id}', {topic}, 'broadcast');
         select '{id}' as id;
         rollback",
        begin = server.begin(),
        topic = quote(topic),
        context = context(claims, topic),
    );
    probe(&server.superuser, &batch, &id.to_string()).await
}

fn context(claims: &Claims, topic: &str) -> String {
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or("");
    let settings = [
        ("role", claim("role")),
        ("realtime.topic", topic),
        ("request.jwt.claims", &Value::Object(claims.clone()).to_string()),
        ("request.jwt.claim.sub", claim("sub")),
        ("request.jwt.claim.role", claim("role")),
        ("request.headers", "{}"),
    ];
    settings.iter().map(|(name, value)| format!("set local {name} = {};", quote(value))).collect()
}

async fn probe(pool: &Pool, batch: &str, id: &str) -> anyhow::Result<bool> {
    let client = pool.get().await?;
    match client.simple_query(batch).await {
        Ok(messages) => {
            Ok(messages.iter().any(|m| matches!(m, SimpleQueryMessage::Row(row) if row.get("id") == Some(id))))
        }
        Err(error) if error.as_db_error().is_some() => {
            tracing::debug!("RlsPolicyError: {error:?}");
            client.batch_execute("rollback").await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

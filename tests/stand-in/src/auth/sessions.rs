//! Sessions and their refresh tokens: each token serves once, and once more within a short time, for two tabs that
//! refresh at the same moment.

use std::sync::atomic::Ordering;

use rand::distr::{Alphanumeric, SampleString};
use serde_json::{Value, json};
use tokio_postgres::GenericClient;

use super::error::AuthError;
use super::users;
use crate::Server;
use crate::tokens::now;

type Result<T> = std::result::Result<T, AuthError>;

/// Seconds in which a used refresh token still gives the one that replaced it.
const REUSE_INTERVAL: f64 = 10.0;

pub async fn start(server: &Server, client: &mut tokio_postgres::Client, user: &str) -> Result<Value> {
    let transaction = client.transaction().await?;
    let sql = "insert into auth.sessions (id, user_id, created_at, updated_at)
               values (gen_random_uuid(), $1::text::uuid, now(), now()) returning id::text";
    let session: String = transaction.query_one(sql, &[&user]).await?.get(0);
    let refresh = issue(&transaction, user, &session, None).await?;
    let user = users::find(&transaction, user).await?;
    transaction.commit().await?;
    Ok(answer(server, &user, &session, &refresh))
}

pub async fn refresh(server: &Server, client: &mut tokio_postgres::Client, token: &str) -> Result<Value> {
    let transaction = client.transaction().await?;
    // The session is locked, so that one of two simultaneous refreshes sees the other's result.
    let sql = "select t.user_id::text, t.session_id::text from auth.refresh_tokens t
               join auth.sessions s on s.id = t.session_id where t.token = $1 for update of s";
    let Some(row) = transaction.query_opt(sql, &[&token]).await? else {
        return Err(AuthError::new(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"));
    };
    let (user, session): (String, String) = (row.get(0), row.get(1));
    let sql = "select revoked, extract(epoch from clock_timestamp() - updated_at)::float8
               from auth.refresh_tokens where token = $1";
    let row = transaction.query_one(sql, &[&token]).await?;
    let (used, age): (bool, f64) = (row.get(0), row.get(1));
    let next = if used {
        let sql = "select token, parent from auth.refresh_tokens
                   where session_id = $1::text::uuid and not revoked order by id desc limit 1";
        let active = transaction.query_opt(sql, &[&session]).await?;
        let active = active.map(|r| (r.get::<_, String>(0), r.get::<_, Option<String>>(1)));
        match active {
            Some((next, parent)) if age < REUSE_INTERVAL || parent.as_deref() == Some(token) => next,
            _ => {
                let sql = "update auth.refresh_tokens set revoked = true, updated_at = now()
                           where session_id = $1::text::uuid and not revoked";
                transaction.execute(sql, &[&session]).await?;
                transaction.commit().await?;
                return Err(AuthError::new(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"));
            }
        }
    } else {
        let sql = "update auth.refresh_tokens set revoked = true, updated_at = clock_timestamp()
                   where token = $1";
        transaction.execute(sql, &[&token]).await?;
        issue(&transaction, &user, &session, Some(token)).await?
    };
    let user = users::find(&transaction, &user).await?;
    transaction.commit().await?;
    Ok(answer(server, &user, &session, &next))
}

/// Ends sessions of a user: this one, the others, or all (`local`, `others`, `global`).
pub async fn end(client: &impl GenericClient, user: &str, session: &str, scope: &str) -> Result<()> {
    let sql = match scope {
        "local" => "delete from auth.sessions where user_id = $1::text::uuid and id = $2::text::uuid",
        "others" => "delete from auth.sessions where user_id = $1::text::uuid and id <> $2::text::uuid",
        _ => "delete from auth.sessions where user_id = $1::text::uuid and $2::text is not null",
    };
    client.execute(sql, &[&user, &session]).await?;
    Ok(())
}

pub async fn exists(client: &impl GenericClient, session: &str) -> Result<bool> {
    let sql = "select from auth.sessions where id = $1::text::uuid";
    Ok(uuid::Uuid::parse_str(session).is_ok() && client.query_opt(sql, &[&session]).await?.is_some())
}

async fn issue(client: &impl GenericClient, user: &str, session: &str, parent: Option<&str>) -> Result<String> {
    let token = Alphanumeric.sample_string(&mut rand::rng(), 12).to_lowercase();
    // A real project has user_id as text here; the cast by assignment serves both.
    let sql = "insert into auth.refresh_tokens (token, user_id, session_id, parent, revoked, created_at, updated_at)
               select $1, u.id, $3::text::uuid, $4, false, now(), clock_timestamp()
               from auth.users u where u.id = $2::text::uuid";
    client.execute(sql, &[&token, &user, &session, &parent]).await?;
    Ok(token)
}

fn answer(server: &Server, user: &Value, session: &str, refresh_token: &str) -> Value {
    let lifetime = server.jwt_expiry_s.load(Ordering::Relaxed);
    let issued = now();
    let claims = json!({
        "iss": format!("{}/auth/v1", server.url),
        "sub": user["id"],
        "aud": "authenticated",
        "exp": issued + lifetime,
        "iat": issued,
        "email": user["email"],
        "phone": "",
        "app_metadata": user["app_metadata"],
        "user_metadata": user["user_metadata"],
        "role": "authenticated",
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": issued}],
        "session_id": session,
        "is_anonymous": false,
    });
    json!({
        "access_token": server.tokens.sign(&claims),
        "token_type": "bearer",
        "expires_in": lifetime,
        "expires_at": issued + lifetime,
        "refresh_token": refresh_token,
        "user": user,
    })
}

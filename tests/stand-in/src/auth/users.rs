//! The accounts, in `auth.users`.

use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::GenericClient;

use super::error::AuthError;

type Result<T> = std::result::Result<T, AuthError>;

/// A throwaway's passwords need no slow hash, and this crate runs unoptimised.
const BCRYPT_COST: u32 = 4;

/// A user as Auth shows it, made by PostgreSQL.
const SHOWN: &str = "json_build_object(
  'id', id, 'aud', aud, 'role', role, 'email', email, 'phone', '',
  'email_confirmed_at', email_confirmed_at, 'confirmed_at', email_confirmed_at, 'last_sign_in_at', last_sign_in_at,
  'app_metadata', raw_app_meta_data, 'user_metadata', raw_user_meta_data, 'identities', '[]'::json,
  'created_at', created_at, 'updated_at', updated_at, 'is_anonymous', coalesce(is_anonymous, false))::text";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Attributes {
    pub email: Option<String>,
    pub password: Option<String>,
    pub email_confirm: bool,
    pub app_metadata: Option<serde_json::Map<String, Value>>,
    pub user_metadata: Option<serde_json::Map<String, Value>>,
}

fn shown(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| anyhow::Error::from(e).into())
}

fn not_found() -> AuthError {
    AuthError::new(404, "user_not_found", "User not found")
}

/// PostgreSQL compares uuids as values; what is no uuid names nobody.
fn is_id(id: &str) -> bool {
    uuid::Uuid::parse_str(id).is_ok()
}

pub async fn find(client: &impl GenericClient, id: &str) -> Result<Value> {
    if !is_id(id) {
        return Err(not_found());
    }
    let sql = format!("select {SHOWN} from auth.users where id = $1::text::uuid");
    let row = client.query_opt(&sql, &[&id]).await?;
    shown(row.ok_or_else(not_found)?.get(0))
}

pub async fn list(client: &impl GenericClient, page: i64, per_page: i64) -> Result<Vec<Value>> {
    let sql = format!("select {SHOWN} from auth.users order by created_at desc, id limit $1 offset $2");
    let offset = (page - 1).saturating_mul(per_page);
    let rows = client.query(&sql, &[&per_page, &offset]).await?;
    rows.iter().map(|row| shown(row.get(0))).collect()
}

pub async fn create(client: &impl GenericClient, new: Attributes) -> Result<Value> {
    let email = new.email.as_deref().map(normal).unwrap_or_default();
    if !email.contains('@') {
        return Err(AuthError::new(400, "validation_failed", "Unable to validate email address: invalid format"));
    }
    let taken = "select from auth.users where email = $1";
    if client.query_opt(taken, &[&email]).await?.is_some() {
        return Err(AuthError::new(422, "email_exists", "A user with this email address has already been registered"));
    }
    let hash = match new.password {
        Some(password) => Some(hash(password).await?),
        None => None,
    };
    let mut app = new.app_metadata.unwrap_or_default();
    app.entry("provider").or_insert_with(|| "email".into());
    app.entry("providers").or_insert_with(|| Value::Array(vec!["email".into()]));
    let app = Value::Object(app).to_string();
    let user = Value::Object(new.user_metadata.unwrap_or_default()).to_string();
    let sql = format!(
        "insert into auth.users (id, aud, role, email, encrypted_password, email_confirmed_at,
           raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
         values (gen_random_uuid(), 'authenticated', 'authenticated', $1, $2, case when $3 then now() end,
           $4::text::jsonb, $5::text::jsonb, now(), now())
         returning {SHOWN}"
    );
    let row = client.query_one(&sql, &[&email, &hash, &new.email_confirm, &app, &user]).await?;
    shown(row.get(0))
}

/// Metadata is merged key by key; a null takes a key away.
pub async fn update(client: &impl GenericClient, id: &str, change: Attributes) -> Result<Value> {
    if !is_id(id) {
        return Err(not_found());
    }
    let hash = match change.password {
        Some(password) => Some(hash(password).await?),
        None => None,
    };
    let email = change.email.as_deref().map(normal);
    let app = change.app_metadata.map(|m| Value::Object(m).to_string());
    let user = change.user_metadata.map(|m| Value::Object(m).to_string());
    let sql = format!(
        "update auth.users set
           email = coalesce($2, email),
           encrypted_password = coalesce($3, encrypted_password),
           email_confirmed_at = case when $4 then coalesce(email_confirmed_at, now()) else email_confirmed_at end,
           raw_app_meta_data = jsonb_strip_nulls(coalesce(raw_app_meta_data, '{{}}') || coalesce($5::text::jsonb, '{{}}')),
           raw_user_meta_data = jsonb_strip_nulls(coalesce(raw_user_meta_data, '{{}}') || coalesce($6::text::jsonb, '{{}}')),
           updated_at = now()
         where id = $1::text::uuid returning {SHOWN}"
    );
    let row = client.query_opt(&sql, &[&id, &email, &hash, &change.email_confirm, &app, &user]).await?;
    shown(row.ok_or_else(not_found)?.get(0))
}

pub async fn delete(client: &impl GenericClient, id: &str) -> Result<()> {
    let deleted = if is_id(id) {
        let sql = "delete from auth.users where id = $1::text::uuid";
        client.execute(sql, &[&id]).await?
    } else {
        0
    };
    if deleted == 0 {
        return Err(not_found());
    }
    Ok(())
}

/// The id of who has this email address and password.
pub async fn sign_in(client: &impl GenericClient, email: &str, password: String) -> Result<String> {
    let wrong = || AuthError::new(400, "invalid_credentials", "Invalid login credentials");
    let sql = "select id::text, encrypted_password, email_confirmed_at is not null
               from auth.users where email = $1";
    let row = client.query_opt(sql, &[&normal(email)]).await?;
    let row = row.ok_or_else(wrong)?;
    let hash: Option<String> = row.get(1);
    let hash = hash.ok_or_else(wrong)?;
    let good = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash))
        .await
        .map_err(anyhow::Error::from)?
        .unwrap_or(false);
    if !good {
        return Err(wrong());
    }
    if !row.get::<_, bool>(2) {
        return Err(AuthError::new(400, "email_not_confirmed", "Email not confirmed"));
    }
    let id: String = row.get(0);
    let sql = "update auth.users set last_sign_in_at = now() where id = $1::text::uuid";
    client.execute(sql, &[&id]).await?;
    Ok(id)
}

async fn hash(password: String) -> Result<String> {
    let hashed =
        tokio::task::spawn_blocking(move || bcrypt::hash(password, BCRYPT_COST)).await.map_err(anyhow::Error::from)?;
    hashed.map_err(|e| anyhow::Error::from(e).into())
}

fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}

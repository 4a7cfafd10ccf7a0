//! `/auth/v1`: password sign-in, refresh, the user, sign-out, the key set, and the admin's users.

mod error;
mod sessions;
mod users;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Server;
use crate::tokens::{Claims, TokenError};
use error::AuthError;
use users::Attributes;

type Result<T> = std::result::Result<T, AuthError>;
type Parameters = Query<HashMap<String, String>>;

pub fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/token", post(token))
        .route("/user", any(user))
        .route("/logout", post(logout))
        .route("/admin/users", any(admin_users))
        .route("/admin/users/{id}", any(admin_user))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/settings", get(settings))
        .route("/health", get(health))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Grant {
    email: Option<String>,
    password: Option<String>,
    refresh_token: Option<String>,
}

async fn token(
    State(server): State<Arc<Server>>,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = async {
        let grant: Grant = parse(&body)?;
        let mut client = server.superuser.get().await?;
        match parameters.get("grant_type").map(String::as_str) {
            Some("password") => {
                let (Some(email), Some(password)) = (grant.email, grant.password) else {
                    return Err(AuthError::new(400, "validation_failed", "missing email or phone"));
                };
                let user = users::sign_in(&**client, &email, password).await?;
                sessions::start(&server, &mut client, &user).await
            }
            Some("refresh_token") => {
                let token = grant.refresh_token.unwrap_or_default();
                if token.is_empty() {
                    let message = "refresh_token required";
                    return Err(AuthError::new(400, "validation_failed", message));
                }
                sessions::refresh(&server, &mut client, &token).await
            }
            Some(other @ ("pkce" | "id_token" | "web3")) => Err(AuthError::not_imitated(&format!("the grant {other}"))),
            _ => Err(AuthError::new(400, "invalid_credentials", "unsupported_grant_type")),
        }
    };
    respond(answer.await, &headers, StatusCode::OK)
}

async fn user(State(server): State<Arc<Server>>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Change {
        data: Option<serde_json::Map<String, Value>>,
        #[serde(flatten)]
        more: serde_json::Map<String, Value>,
    }
    let answer = async {
        let client = server.superuser.get().await?;
        let (id, _) = signed_in(&server, &**client, &headers).await?;
        match method {
            Method::GET => users::find(&**client, &id).await,
            Method::PUT => {
                let change: Change = parse(&body)?;
                let given = |name: &&str| change.more.get(*name).is_some_and(|v| !v.is_null());
                if let Some(name) = ["email", "phone", "password", "nonce"].iter().find(|n| given(n)) {
                    return Err(AuthError::not_imitated(&format!("a user's change of {name}")));
                }
                let change = Attributes { user_metadata: change.data, ..Attributes::default() };
                users::update(&**client, &id, change).await
            }
            _ => Err(not_allowed()),
        }
    };
    respond(answer.await, &headers, StatusCode::OK)
}

async fn logout(State(server): State<Arc<Server>>, Query(parameters): Parameters, headers: HeaderMap) -> Response {
    let answer = async {
        let client = server.superuser.get().await?;
        let (user, session) = signed_in(&server, &**client, &headers).await?;
        let scope = parameters.get("scope").map_or("global", String::as_str);
        sessions::end(&**client, &user, &session, scope).await?;
        Ok(Value::Null)
    };
    respond(answer.await, &headers, StatusCode::NO_CONTENT)
}

async fn admin_users(
    State(server): State<Arc<Server>>,
    method: Method,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = async {
        admin(&server, &headers)?;
        let client = server.superuser.get().await?;
        match method {
            Method::GET => {
                let number = |name: &str, default: i64| {
                    let given = parameters.get(name).and_then(|v| v.parse().ok());
                    given.filter(|n| *n > 0).unwrap_or(default)
                };
                let (page, per_page) = (number("page", 1), number("per_page", 50).min(1000));
                let users = users::list(&**client, page, per_page).await?;
                Ok(json!({"users": users, "aud": "authenticated"}))
            }
            Method::POST => users::create(&**client, parse(&body)?).await,
            _ => Err(not_allowed()),
        }
    };
    respond(answer.await, &headers, StatusCode::OK)
}

async fn admin_user(
    State(server): State<Arc<Server>>,
    method: Method,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = async {
        admin(&server, &headers)?;
        let client = server.superuser.get().await?;
        match method {
            Method::GET => users::find(&**client, &id).await,
            Method::PUT => users::update(&**client, &id, parse(&body)?).await,
            Method::DELETE => {
                users::delete(&**client, &id).await?;
                Ok(json!({}))
            }
            _ => Err(not_allowed()),
        }
    };
    respond(answer.await, &headers, StatusCode::OK)
}

async fn jwks(State(server): State<Arc<Server>>) -> Response {
    let cached = [(header::CACHE_CONTROL, "public, max-age=600")];
    (cached, Json(server.tokens.jwks())).into_response()
}

async fn settings() -> Response {
    Json(json!({
        "external": {"email": true, "anonymous_users": false, "phone": false},
        "disable_signup": true,
        "mailer_autoconfirm": false,
    }))
    .into_response()
}

async fn health() -> Response {
    Json(json!({"name": "supabase-local", "version": env!("CARGO_PKG_VERSION")})).into_response()
}

fn respond(answer: Result<Value>, request: &HeaderMap, success: StatusCode) -> Response {
    match answer {
        Ok(Value::Null) => success.into_response(),
        Ok(body) => (success, Json(body)).into_response(),
        Err(error) => error.into_response(request),
    }
}

fn parse<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|_| AuthError::bad_json())
}

fn not_allowed() -> AuthError {
    AuthError::new(405, "validation_failed", "Method not allowed")
}

fn bearer(server: &Server, headers: &HeaderMap) -> Result<Claims> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "))
        .ok_or_else(|| {
            let message = "This endpoint requires a valid Bearer token";
            AuthError::new(401, "no_authorization", message)
        })?;
    server.tokens.verify(token.trim(), 0).map_err(|error| {
        let why = match error {
            TokenError::Parts(_) | TokenError::Malformed | TokenError::Claims | TokenError::NotANumber(_) => {
                "token is malformed"
            }
            TokenError::Signature => "token signature is invalid",
            TokenError::Expired(_) => "token has invalid claims: token is expired",
            TokenError::NotYetValid | TokenError::IssuedInFuture => "token has invalid claims: token is not valid yet",
        };
        let message = format!("invalid JWT: unable to parse or verify signature, {why}");
        AuthError::new(403, "bad_jwt", message)
    })
}

/// The user and the session of the bearer's token; both must still be there.
async fn signed_in(
    server: &Server,
    client: &impl tokio_postgres::GenericClient,
    headers: &HeaderMap,
) -> Result<(String, String)> {
    let claims = bearer(server, headers)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(user) = text("sub") else {
        let message = "invalid claim: missing sub claim";
        return Err(AuthError::new(403, "bad_jwt", message));
    };
    if uuid::Uuid::parse_str(&user).is_err() {
        return Err(AuthError::new(400, "bad_jwt", "invalid claim: sub claim must be a UUID"));
    }
    if client.query_opt("select from auth.users where id::text = $1", &[&user]).await?.is_none() {
        return Err(AuthError::new(403, "user_not_found", "User from sub claim in JWT does not exist"));
    }
    let session = text("session_id").unwrap_or_default();
    if !session.is_empty() && !sessions::exists(client, &session).await? {
        let message = "Session from session_id claim in JWT does not exist";
        return Err(AuthError::new(403, "session_not_found", message));
    }
    Ok((user, session))
}

fn admin(server: &Server, headers: &HeaderMap) -> Result<()> {
    let claims = bearer(server, headers)?;
    match claims.get("role").and_then(Value::as_str) {
        Some("service_role" | "supabase_admin") => Ok(()),
        _ => Err(AuthError::new(403, "not_admin", "User not allowed")),
    }
}

impl Server {
    /// The user of an id or an email address, as Auth shows them; null for nobody.
    pub async fn find_user(&self, id: Option<&str>, email: Option<&str>) -> anyhow::Result<Value> {
        let client = self.superuser.get().await?;
        let sql = "select id::text from auth.users where id::text = $1 or email = lower($2)";
        let Some(row) = client.query_opt(sql, &[&id, &email]).await? else {
            return Ok(Value::Null);
        };
        let user = users::find(&**client, row.get(0)).await;
        user.map_err(|error| anyhow::anyhow!("{error}"))
    }
}

//! GoTrue's error bodies, in the form that the client's API version asks for.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

const VERSION: &str = "x-supabase-api-version";
/// From this API version on, `code` is the name of the error and not the status.
const NAMED_CODES: &str = "2024-01-01";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AuthError {
    status: u16,
    code: &'static str,
    message: String,
}

impl AuthError {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub fn not_imitated(what: &str) -> Self {
        let message = format!("the local stand-in for Supabase does not imitate {what}");
        Self::new(501, "not_imitated", message)
    }

    pub fn bad_json() -> Self {
        Self::new(400, "bad_json", "Could not parse request body as JSON")
    }

    pub fn into_response(self, request: &HeaderMap) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let named = request.get(VERSION).and_then(|v| v.to_str().ok()).is_some_and(|v| v >= NAMED_CODES);
        let body = if named {
            json!({"code": self.code, "message": self.message})
        } else {
            json!({"code": self.status, "error_code": self.code, "msg": self.message})
        };
        let mut response = (status, Json(body)).into_response();
        if named {
            response.headers_mut().insert(VERSION, HeaderValue::from_static(NAMED_CODES));
        }
        response
    }
}

/// What goes wrong between the server and its database is told to the log, not to the client.
impl From<anyhow::Error> for AuthError {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!("auth: {error:#}");
        Self::new(500, "unexpected_failure", "Database error")
    }
}

impl From<tokio_postgres::Error> for AuthError {
    fn from(error: tokio_postgres::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<deadpool_postgres::PoolError> for AuthError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        anyhow::Error::from(error).into()
    }
}

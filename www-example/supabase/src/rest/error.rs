//! PostgREST's error bodies and statuses (protocol.md 4.5).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio_postgres::error::DbError;

use crate::tokens::TokenError;

#[derive(Debug, Clone, PartialEq)]
pub struct RestError {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
    pub details: Value,
    pub hint: Value,
}

impl RestError {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: code.to_owned(),
            message: message.into(),
            details: Value::Null,
            hint: Value::Null,
        }
    }

    pub fn details(self, details: impl Into<Value>) -> Self {
        Self { details: details.into(), ..self }
    }

    pub fn hint(self, hint: impl Into<Value>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    pub fn token(error: &TokenError) -> Self {
        let bad = |message: &str| Self::new(401, "PGRST301", message);
        let claim = |message: &str| Self::new(401, "PGRST303", message);
        match error {
            TokenError::Parts(parts) => bad(&format!("Expected 3 parts in JWT; got {parts}")),
            TokenError::Malformed => bad("JWT cryptographic operation failed"),
            TokenError::Signature => {
                bad("No suitable key or wrong key type").details("None of the keys was able to decode the JWT")
            }
            TokenError::Expired(_) => claim("JWT expired"),
            TokenError::NotYetValid => claim("JWT not yet valid"),
            TokenError::IssuedInFuture => claim("JWT issued at future"),
            TokenError::NotANumber(name) => claim(&format!("The JWT '{name}' claim must be a number")),
        }
    }

    /// Something that PostgREST can and the stand-in cannot.
    pub fn not_imitated(what: &str) -> Self {
        let message = format!("the local stand-in for Supabase does not imitate {what}");
        Self::new(501, "not-imitated", message)
    }

    /// PostgreSQL was not reached, or the connection broke.
    pub fn unreachable(error: &anyhow::Error) -> Self {
        Self::new(503, "PGRST000", "Database connection error. Retrying the connection.").details(format!("{error:#}"))
    }

    /// `anonymous`: the request ran as anon, so that more rights are to be had by signing in.
    pub fn database(error: &DbError, anonymous: bool) -> Self {
        let code = error.code().code();
        let optional = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        Self::new(status(code, error.message(), anonymous), code, error.message())
            .details(optional(error.detail()))
            .hint(optional(error.hint()))
    }
}

fn status(code: &str, message: &str, anonymous: bool) -> u16 {
    match code {
        "42501" if anonymous => 401,
        "42501" => 403,
        "23503" | "23505" => 409,
        "25006" => 405,
        "42883" if message.starts_with("function xmlagg(") => 406,
        "42883" | "42P01" => 404,
        "42P17" => 500,
        "22023" if message.starts_with("role ") => 401,
        "57P01" => 503,
        "P0001" => 400,
        "21000" => 400,
        _ => match (code.get(..2).unwrap_or(""), code.strip_prefix("PT")) {
            (_, Some(custom)) => custom.parse().unwrap_or(500),
            ("08" | "53", _) => 503,
            ("25" | "28" | "2D" | "38" | "39" | "3B" | "40" | "55" | "57" | "58", _)
            | ("F0" | "HV" | "P0" | "XX" | "54", _) => 500,
            _ => 400,
        },
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let body = json!({
            "code": self.code,
            "details": self.details,
            "hint": self.hint,
            "message": self.message,
        });
        let mut response = (self.status, axum::Json(body)).into_response();
        if self.code.starts_with("PGRST30") {
            let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", self.message);
            if let Ok(value) = HeaderValue::from_str(&challenge) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_postgrests() {
        let cases = [
            ("42501", "permission denied for table t", 403),
            ("23505", "duplicate key", 409),
            ("23514", "check", 400),
            ("22P02", "invalid input", 400),
            ("P0001", "raised", 400),
            ("P0002", "no data", 500),
            ("PT429", "slow down", 429),
            ("42P01", "no table", 404),
            ("25006", "read-only", 405),
            ("22023", "role \"x\" does not exist", 401),
            ("22023", "bad value", 400),
            ("57014", "cancelled", 500),
            ("53300", "too many connections", 503),
        ];
        for (code, message, expected) in cases {
            assert_eq!(status(code, message, false), expected, "{code}");
        }
        assert_eq!(status("42501", "denied", true), 401);
    }
}

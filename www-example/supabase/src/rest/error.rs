//! PostgREST's error bodies and statuses (protocol.md 4.5).

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::error::DbError;

use crate::tokens::TokenError;

#[derive(Debug, Clone, PartialEq)]
pub struct RestError {
    pub status: StatusCode,
    pub code: Box<str>,
    pub message: String,
    pub details: Value,
    pub hint: Value,
    /// Those that a raised error brings along.
    pub headers: Option<Box<HeaderMap>>,
}

/// The MESSAGE of `raise sqlstate 'PGRST'`: the body of the answer.
#[derive(Deserialize)]
struct RaisedBody {
    code: String,
    message: String,
    details: Option<String>,
    hint: Option<String>,
}

/// Its DETAIL: the rest of the answer. A `status_text` is not imitated.
#[derive(Deserialize)]
struct RaisedHead {
    status: u16,
    headers: BTreeMap<String, String>,
}

impl RestError {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: code.into(),
            message: message.into(),
            details: Value::Null,
            hint: Value::Null,
            headers: None,
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
        if code == "PGRST" {
            return Self::raised(error.message(), error.detail().unwrap_or_default());
        }
        let optional = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        Self::new(status(code, error.message(), anonymous), code, error.message())
            .details(optional(error.detail()))
            .hint(optional(error.hint()))
    }

    /// An error that brings its whole answer along:
    /// <https://docs.postgrest.org/en/v12/references/errors.html#raise-headers-and-status>. The words about one that can't
    /// be read are those of PostgREST 12.0.2.
    fn raised(message: &str, detail: &str) -> Self {
        let (Ok(body), Ok(head)) =
            (serde_json::from_str::<RaisedBody>(message), serde_json::from_str::<RaisedHead>(detail))
        else {
            return Self::new(500, "PGRST121", "The message and detail field of RAISE 'PGRST' error expects JSON");
        };
        let headers = head.headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        let optional = |text: Option<String>| text.map_or(Value::Null, Value::from);
        Self {
            headers: Some(Box::new(headers.collect())),
            details: optional(body.details),
            hint: optional(body.hint),
            ..Self::new(head.status, &body.code, body.message)
        }
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
        response.headers_mut().extend(self.headers.map(|headers| *headers).unwrap_or_default());
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

    /// As PostgREST 12.0.2 answered.
    #[test]
    fn an_error_brings_its_status_and_headers() {
        let (body, head) = (r#"{"code":"53400","message":"slow"}"#, r#"{"status":429,"headers":{"Retry-After":"3"}}"#);
        let error = RestError::raised(body, head);
        assert_eq!((error.status.as_u16(), &*error.code, error.message.as_str()), (429, "53400", "slow"));
        assert_eq!(error.headers.unwrap()[header::RETRY_AFTER], "3");
        for (body, head) in [
            (body, ""),
            (body, r#"{"status":429}"#),
            (body, r#"{"status":"429","headers":{}}"#),
            (body, r#"{"status":429,"headers":{"Retry-After":3}}"#),
            (r#"{"message":"slow"}"#, head),
            ("slow", head),
        ] {
            let error = RestError::raised(body, head);
            assert_eq!((error.status.as_u16(), &*error.code), (500, "PGRST121"), "{body} {head}");
        }
    }
}

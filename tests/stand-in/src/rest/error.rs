//! PostgREST's error bodies and statuses (protocol.md 4.5).

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio_postgres::error::DbError;

use crate::tokens::TokenError;

#[derive(Debug, Clone, PartialEq)]
pub struct RestError {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
    pub details: Option<String>,
    pub hint: Option<String>,
    /// Beside those of every error.
    headers: Option<Box<HeaderMap>>,
}

impl RestError {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: code.to_owned(),
            message: message.into(),
            details: None,
            hint: None,
            headers: None,
        }
    }

    pub fn details(self, details: impl Into<String>) -> Self {
        Self { details: Some(details.into()), ..self }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub fn token(error: &TokenError) -> Self {
        let bad = |message: &str| Self::new(401, "PGRST301", message);
        let claim = |message: &str| Self::new(401, "PGRST303", message);
        match error {
            TokenError::Parts(0) => bad("Empty JWT is sent in Authorization header"),
            TokenError::Parts(parts) => bad(&format!("Expected 3 parts in JWT; got {parts}")),
            TokenError::Malformed => bad("JWT cryptographic operation failed"),
            TokenError::Signature => {
                bad("No suitable key or wrong key type").details("None of the keys was able to decode the JWT")
            }
            TokenError::Expired(_) => claim("JWT expired"),
            TokenError::NotYetValid => claim("JWT not yet valid"),
            TokenError::IssuedInFuture => claim("JWT issued at future"),
            TokenError::Claims => claim("Parsing claims failed"),
            TokenError::NotANumber(name) => claim(&format!("The JWT '{name}' claim must be a number")),
        }
    }

    /// A window of rows that holds none.
    pub fn no_window() -> Self {
        let details = "Limit should be greater than or equal to zero.";
        Self::new(416, "PGRST103", "Requested range not satisfiable").details(details)
    }

    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.get_or_insert_default().insert(name, value);
        }
        self
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
            return Self::raised(error.message(), error.detail());
        }
        Self {
            details: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            ..Self::new(status(code, error.message(), anonymous), code, error.message())
        }
    }

    /// `raise sqlstate 'PGRST'`: the function says status, headers and body itself.
    fn raised(message: &str, detail: Option<&str>) -> Self {
        let broken = |details: String, hint: &str| {
            Self::new(500, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error")
                .details(details)
                .hint(hint)
        };
        let message_hint = "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.";
        let detail_hint =
            "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.";
        let Ok(body) = serde_json::from_str::<RaisedBody>(message) else {
            return broken(format!("Invalid JSON value for MESSAGE: '{message}'"), message_hint);
        };
        let Some(detail) = detail else {
            return broken("DETAIL is missing in the RAISE statement".into(), detail_hint);
        };
        let Ok(answer) = serde_json::from_str::<RaisedAnswer>(detail) else {
            return broken(format!("Invalid JSON value for DETAIL: '{detail}'"), detail_hint);
        };
        let headers = answer.headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
        });
        Self {
            status: StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: body.code,
            message: body.message,
            details: body.details,
            hint: body.hint,
            headers: Some(Box::new(headers.collect())),
        }
    }
}

#[derive(Deserialize)]
struct RaisedBody {
    code: String,
    message: String,
    details: Option<String>,
    hint: Option<String>,
}

#[derive(Deserialize)]
struct RaisedAnswer {
    status: u16,
    headers: BTreeMap<String, String>,
}

fn status(code: &str, message: &str, anonymous: bool) -> u16 {
    match code {
        "42501" if anonymous => 401,
        "42501" => 403,
        "23503" | "23505" => 409,
        "25006" => 405,
        "21000" if message.ends_with("requires a WHERE clause") => 400,
        "21000" | "53400" => 500,
        "42883" if message.starts_with("function xmlagg(") => 406,
        "42883" | "42P01" => 404,
        "42P17" => 500,
        "22023" if message.starts_with("role ") && message.ends_with(" does not exist") => 401,
        "57P01" => 503,
        "P0001" => 400,
        _ => match (code.get(..2).unwrap_or(""), code.strip_prefix("PT")) {
            (_, Some(custom)) => custom.parse().unwrap_or(500),
            ("08" | "53", _) => 503,
            ("0L" | "0P" | "28", _) => 403,
            ("09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58", _)
            | ("F0" | "HV" | "P0" | "XX", _) => 500,
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
        let content_type = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
        let mut response = (self.status, content_type, body.to_string()).into_response();
        if self.status == StatusCode::UNAUTHORIZED && !self.code.starts_with("PGRST30") {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        } else if self.code.starts_with("PGRST30") {
            let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", self.message);
            if let Ok(value) = HeaderValue::from_str(&challenge) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            }
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("0"));
        }
        response.headers_mut().extend(self.headers.into_iter().flat_map(|headers| *headers));
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
            ("CH410", "too old", 400),
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

//! The admin port, for tests: faults, latency, tokens, and what the server sees. See README.md.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Server;
use crate::faults::Rule;
use crate::network::Distance;
use crate::tokens::now;

const CONNECTIONS_END: Duration = Duration::from_millis(20);

pub fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/faults", get(faults).post(set_faults).delete(clear_faults))
        .route("/latency", post(latency))
        .route("/jwt-expiry", post(jwt_expiry))
        .route("/preflight-age", post(preflight_age))
        .route("/message-rate", post(message_rate))
        .route("/state", get(state))
        .route("/restart-realtime", post(restart_realtime))
        .route("/tokens", post(tokens))
        .layer(from_fn(allow_local_pages))
        .with_state(server)
}

/// Pages that this machine serves, such as the tests in a browser, may steer; others on the web may not.
async fn allow_local_pages(request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let local = origin.filter(|o| {
        let host = o.to_str().ok().and_then(|o| o.strip_prefix("http://"));
        let host = host.map(|h| h.rsplit_once(':').map_or(h, |(host, _)| host));
        matches!(host, Some("localhost" | "127.0.0.1" | "[::1]"))
    });
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    if let Some(origin) = local {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let methods = HeaderValue::from_static("GET,POST,DELETE");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let wanted = HeaderValue::from_static("content-type");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    }
    response
}

fn refuse(status: StatusCode, code: &str, message: impl Into<String>) -> Response {
    let message: String = message.into();
    (status, Json(json!({"code": code, "message": message}))).into_response()
}

async fn faults(State(server): State<Arc<Server>>) -> Response {
    Json(server.faults.rules()).into_response()
}

async fn set_faults(State(server): State<Arc<Server>>, body: String) -> Response {
    let rules: Vec<Rule> = match serde_json::from_str(&body) {
        Ok(rules) => rules,
        Err(error) => {
            return refuse(StatusCode::BAD_REQUEST, "bad-faults", format!("not an array of fault rules: {error}"));
        }
    };
    if let Some((place, problem)) = rules.iter().enumerate().find_map(|(i, r)| Some((i, r.problem()?))) {
        let message = format!("rule {place}: {problem}");
        return refuse(StatusCode::BAD_REQUEST, "bad-faults", message);
    }
    let (at_once, standing): (Vec<Rule>, Vec<Rule>) = rules.into_iter().partition(|r| r.on.is_none());
    let standing_count = standing.len();
    server.faults.set(standing);
    if server.faults.touch_requests() {
        // Time for the clients to see that their idle connections have ended.
        tokio::time::sleep(CONNECTIONS_END).await;
    }
    let mut hit = 0;
    for rule in at_once {
        if rule.effect.expire {
            hit += server.hub.expire(&rule.matches);
        }
        if rule.effect.cut {
            hit += server.hub.cut(&rule.matches);
        }
    }
    Json(json!({"rules": standing_count, "hit_at_once": hit})).into_response()
}

async fn clear_faults(State(server): State<Arc<Server>>) -> StatusCode {
    server.faults.set(Vec::new());
    StatusCode::NO_CONTENT
}

async fn latency(State(server): State<Arc<Server>>, body: String) -> Response {
    let distance: Distance = match serde_json::from_str(&body) {
        Ok(distance) => distance,
        Err(error) => {
            let message = format!("not {{\"ms\": n, \"connect_round_trips\"?: n}}: {error}");
            return refuse(StatusCode::BAD_REQUEST, "bad-latency", message);
        }
    };
    server.network.set(distance);
    Json(distance).into_response()
}

#[derive(Deserialize)]
struct JwtExpiry {
    s: u64,
}

async fn jwt_expiry(State(server): State<Arc<Server>>, body: String) -> Response {
    let expiry: JwtExpiry = match serde_json::from_str(&body) {
        Ok(expiry) => expiry,
        Err(error) => {
            let message = format!("not {{\"s\": n}}: {error}");
            return refuse(StatusCode::BAD_REQUEST, "bad-jwt-expiry", message);
        }
    };
    let before = server.jwt_expiry_s.swap(expiry.s, Ordering::Relaxed);
    Json(json!({"s": expiry.s, "before": before})).into_response()
}

#[derive(Deserialize)]
struct PreflightAge {
    s: Option<u64>,
}

async fn preflight_age(State(server): State<Arc<Server>>, body: String) -> Response {
    let age: PreflightAge = match serde_json::from_str(&body) {
        Ok(age) => age,
        Err(error) => {
            let message = format!("not {{\"s\": n or null}}: {error}");
            return refuse(StatusCode::BAD_REQUEST, "bad-preflight-age", message);
        }
    };
    server.set_preflight_age_s(age.s);
    Json(json!({"s": age.s})).into_response()
}

#[derive(Deserialize)]
struct MessageRate {
    per_second: Option<u64>,
}

async fn message_rate(State(server): State<Arc<Server>>, body: String) -> Response {
    let rate: MessageRate = match serde_json::from_str(&body) {
        Ok(rate) => rate,
        Err(error) => {
            let message = format!("not {{\"per_second\": n or null}}: {error}");
            return refuse(StatusCode::BAD_REQUEST, "bad-message-rate", message);
        }
    };
    server.hub.rate.set_limit(rate.per_second);
    Json(json!({"per_second": rate.per_second})).into_response()
}

async fn state(State(server): State<Arc<Server>>) -> Response {
    Json(json!({
        "sockets": server.hub.state(),
        "requests": server.request_counts(),
        "streaming": server.hub.streaming(),
        "faults": {"total": server.faults.total(), "rules": server.faults.rules()},
        "latency": server.network.distance(),
        "preflight_age_s": server.preflight_age_s(),
        "messages": server.hub.rate.total(),
        "message_rate": server.hub.rate.state(),
    }))
    .into_response()
}

async fn restart_realtime(State(server): State<Arc<Server>>) -> Response {
    Json(json!({"sockets": server.hub.restart()})).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    sub: Option<String>,
    email: Option<String>,
    /// Seconds; negative gives a token that has expired.
    #[serde(default)]
    expires_in: Option<i64>,
    /// Added to the usual claims, or put in their place; a null takes one away.
    #[serde(default)]
    claims: Map<String, Value>,
}

async fn tokens(State(server): State<Arc<Server>>, body: String) -> Response {
    let wish: Wish = match serde_json::from_str(&body) {
        Ok(wish) => wish,
        Err(error) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "bad-token-wish",
                format!("not {{sub | email, expires_in?, claims?}}: {error}"),
            );
        }
    };
    let user = match server.find_user(wish.sub.as_deref(), wish.email.as_deref()).await {
        Ok(user) => user,
        Err(error) => {
            let message = format!("{error:#}");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "no-database", message);
        }
    };
    let sub = match (user["id"].as_str(), wish.sub) {
        (Some(id), _) => id.to_owned(),
        (None, Some(sub)) => sub,
        (None, None) => {
            let message = "no user has this email address: create it with the Auth admin API";
            return refuse(StatusCode::NOT_FOUND, "unknown-user", message);
        }
    };
    let issued = now();
    let lifetime =
        wish.expires_in.unwrap_or(i64::try_from(server.jwt_expiry_s.load(Ordering::Relaxed)).unwrap_or(i64::MAX));
    let mut claims = json!({
        "iss": format!("{}/auth/v1", server.url),
        "sub": sub,
        "aud": "authenticated",
        "role": "authenticated",
        "iat": issued.min(issued.saturating_add_signed(lifetime)),
        "exp": issued.saturating_add_signed(lifetime),
        "email": user["email"],
        "app_metadata": user["app_metadata"],
        "user_metadata": user["user_metadata"],
        "aal": "aal1",
        "is_anonymous": false,
    });
    for (name, value) in wish.claims {
        claims[name] = value;
    }
    if let Value::Object(claims) = &mut claims {
        claims.retain(|_, value| !value.is_null());
    }
    Json(json!({"access_token": server.tokens.sign(&claims), "expires_in": lifetime})).into_response()
}

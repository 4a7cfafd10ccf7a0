//! `/realtime/v1/websocket`: private and public channels, broadcasts from the database and between clients.

pub mod access;
pub mod hub;
pub mod phoenix;
pub mod rate;
pub mod replay;
pub mod socket;
pub mod stream;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::Server;
use crate::faults::{Place, Subject};
use crate::tokens::TokenError;
use phoenix::Vsn;
use socket::TokenRefusal;

/// The largest frame of a client; a larger one ends the connection.
const FRAME_LIMIT: usize = 5_000_000;

pub async fn connect(
    State(server): State<Arc<Server>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let subject = Subject { path: "/realtime/v1/websocket", method: "GET", ..Subject::default() };
    let effect = server.faults.at(Place::Connect, &subject).unwrap_or_default();
    if let Some(delay) = effect.delay() {
        tokio::time::sleep(delay).await;
    }
    if let Some(status) = effect.status.and_then(|s| StatusCode::from_u16(s).ok()) {
        return (status, Json(effect.body)).into_response();
    }
    if effect.drop || effect.cut {
        return crate::serve::abort();
    }
    let Some(vsn) = Vsn::parse(query.get("vsn").map(String::as_str)) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let header = headers.get("x-api-key").and_then(|k| k.to_str().ok());
    let Some(key) = header.or(query.get("apikey").map(String::as_str)) else {
        return refuse(&server, "API key is missing").await;
    };
    let key = server.translate_key(key).to_owned();
    match server.channel_claims(&key) {
        Err(TokenRefusal::Token(TokenError::Expired(_))) => {
            return refuse(&server, "Token has expired").await;
        }
        Err(refusal) => return refuse(&server, &refusal.message()).await,
        Ok(_) => {}
    }
    // Realtime makes the partitions of its messages when a tenant's client connects.
    if let Err(error) = server.keep_partitions().await {
        tracing::warn!("no partitions of realtime.messages were made: {error:#}");
    }
    upgrade
        .max_message_size(FRAME_LIMIT)
        .max_frame_size(FRAME_LIMIT)
        .on_upgrade(move |websocket| socket::run(server, websocket, vsn, key))
}

/// Held back, so that a client that tries for ever does no harm.
async fn refuse(server: &Server, error: &str) -> Response {
    tokio::time::sleep(server.settings.refused_connect).await;
    (StatusCode::UNAUTHORIZED, Json(json!({"error": error}))).into_response()
}

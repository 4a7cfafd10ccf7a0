//! HTTP connections, and the gateway before the services: API keys, CORS, latency, request faults.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::Server;
use crate::faults::{Place, Subject};
use crate::rest::error::RestError;
use crate::tokens::TokenError;

const EXPOSED: &str = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, \
     Transfer-Encoding, Range-Unit, WWW-Authenticate";
const METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT";

#[derive(Clone)]
struct Abort;

/// A response that is never written: the connection ends instead.
pub fn abort() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Abort);
    response
}

#[derive(Debug, thiserror::Error)]
#[error("the connection is ended on purpose")]
struct Aborted;

/// Serves until the task is dropped; every connection ends with it.
pub async fn run(listener: TcpListener, router: Router, server: Option<Arc<Server>>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, for one: it passes.
                    tracing::warn!("a connection was not accepted: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(stream);
        connections.spawn(serve(io, peer, router.clone(), server.clone()));
    }
}

async fn serve(io: TokioIo<tokio::net::TcpStream>, peer: SocketAddr, router: Router, server: Option<Arc<Server>>) {
    let accepted = Instant::now();
    let mut generation = server.as_ref().map(|s| s.faults.generation());
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (router, server) = (router.clone(), server.clone());
        async move {
            let request = request.map(Body::new);
            let response = match &server {
                Some(server) => gateway(server, &router, request, accepted).await,
                None => answer(&router, request).await,
            };
            match response.extensions().get::<Abort>() {
                Some(_) => Err(Aborted),
                None => Ok(response),
            }
        }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
    let mut connection = std::pin::pin!(connection.with_upgrades());
    let changed = async {
        match &mut generation {
            Some(generation) => {
                let _ = generation.changed().await;
            }
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = changed => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("the connection of {peer} ended: {error}");
    }
}

async fn answer(router: &Router, request: Request<Body>) -> Response {
    let response: Result<Response, Infallible> = router.clone().oneshot(request).await;
    response.unwrap_or_else(|never| match never {})
}

async fn gateway(server: &Arc<Server>, router: &Router, request: Request<Body>, accepted: Instant) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let socket = path == "/realtime/v1/websocket" && method == Method::GET;
    server.network.connected(accepted, socket).await;
    tokio::time::sleep(server.network.one_way()).await;
    server.count(&method, &path);
    let wants = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let once = server.faults.touch_requests();
    let mut response = if socket {
        answer(router, request).await
    } else {
        let subject = Subject { method: method.as_str(), path: &path, ..Subject::default() };
        let effect = server.faults.at(Place::Request, &subject).unwrap_or_default();
        if effect.hang {
            server.faults.hang(&subject).await;
        }
        if effect.drop || effect.cut || effect.hang {
            return abort();
        }
        if let Some(delay) = effect.delay() {
            tokio::time::sleep(delay).await;
        }
        if let Some(status) = effect.status.and_then(|s| StatusCode::from_u16(s).ok()) {
            match effect.body {
                Some(body) => (status, Json(body)).into_response(),
                None => status.into_response(),
            }
        } else if effect.expire {
            RestError::token(&TokenError::Expired(0)).into_response()
        } else {
            let response = pass(server, router, request).await;
            if effect.lose_answer {
                return abort();
            }
            response
        }
    };
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    allow_origins(headers, &method, wants, server.preflight_age_s());
    // A WebSocket has its connection for itself anyway, and its `Connection` says `Upgrade`.
    if once && !upgraded {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    tokio::time::sleep(server.network.one_way()).await;
    response
}

/// What the gateway asks of a request before a service sees it.
async fn pass(server: &Arc<Server>, router: &Router, mut request: Request<Body>) -> Response {
    let path = request.uri().path();
    // The gateway answers preflights; what else asks REST for its options is passed on.
    let preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && (preflight || !path.starts_with("/rest/v1/")) {
        return StatusCode::OK.into_response();
    }
    let open = path == "/auth/v1/.well-known/jwks.json" || path == "/auth/v1/health";
    if !open {
        let from_query = || {
            let query = request.uri().query()?;
            let pair = query.split('&').find_map(|p| p.strip_prefix("apikey="));
            pair.map(str::to_owned)
        };
        let headers = request.headers();
        let given = headers.get("apikey").and_then(|k| k.to_str().ok());
        let Some(key) = given.map(str::to_owned).or_else(from_query) else {
            return unauthorized("No API key found in request", "No `apikey` request header or url param was found.");
        };
        let translated = server.translate_key(&key).to_owned();
        if !server.is_key(&key) {
            return unauthorized("Invalid API key", "Double check your Supabase `anon` or `service_role` API key.");
        }
        // An opaque key names a role only to the gateway: the services are told with its JWT.
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|b| b.to_str().ok()).and_then(|b| b.strip_prefix("Bearer "));
        if translated != key
            && bearer.is_none_or(|b| b == key)
            && let Ok(value) = HeaderValue::from_str(&format!("Bearer {translated}"))
        {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
    }
    answer(router, request).await
}

fn unauthorized(message: &str, hint: &str) -> Response {
    let body = json!({"message": message, "hint": hint});
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

fn allow_origins(headers: &mut HeaderMap, method: &Method, wants: Option<HeaderValue>, preflight_age_s: Option<u64>) {
    let mut set = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
    let fixed = HeaderValue::from_static;
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, fixed("*"));
    if method == Method::OPTIONS {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, fixed(METHODS));
        if let Some(age) = preflight_age_s {
            set(header::ACCESS_CONTROL_MAX_AGE, age.into());
        }
        if let Some(wants) = wants {
            set(header::ACCESS_CONTROL_ALLOW_HEADERS, wants);
        }
    } else {
        // Added to what an error of the database may have brought, as PostgREST does.
        headers.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, fixed(EXPOSED));
    }
}

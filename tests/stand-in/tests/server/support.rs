use std::path::Path;
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use supabase_local::{Options, Settings, Stack};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub const REFUSED_JOIN: Duration = Duration::from_millis(400);
pub const REPLICATION_READY: Duration = Duration::from_secs(2);
/// Long: a test on a busy machine must not meet it unawares.
pub const IDLE: Duration = Duration::from_secs(12);
const WAIT: Duration = Duration::from_secs(60);

static SHARED: LazyLock<(Runtime, Stack)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/schema");
    let options = Options {
        migrations: Some(schema),
        settings: Settings {
            refused_join: REFUSED_JOIN,
            refused_connect: Duration::from_millis(200),
            idle: IDLE,
            replication_ready: REPLICATION_READY,
            ..Settings::default()
        },
        ..Options::default()
    };
    let stack = runtime.block_on(Stack::start(options)).unwrap();
    (runtime, stack)
});

pub fn stack() -> &'static Stack {
    &SHARED.1
}

/// Held by each test, and alone by one that changes the server for all.
static SERVER: RwLock<()> = RwLock::new(());

pub fn run<T>(test: impl Future<Output = T>) -> T {
    let _shared = SERVER.read().unwrap_or_else(PoisonError::into_inner);
    SHARED.0.block_on(test)
}

/// While no other test runs.
pub fn run_alone<T>(test: impl Future<Output = T>) -> T {
    let _alone = SERVER.write().unwrap_or_else(PoisonError::into_inner);
    SHARED.0.block_on(test)
}

pub struct Answer {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or(""))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

pub struct Ask<'a> {
    method: &'a str,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// A request to the API, with the anon key.
pub fn ask<'a>(method: &'a str, path: &str) -> Ask<'a> {
    let at = &stack().endpoints;
    Ask {
        method,
        url: format!("{}{path}", at.url),
        headers: vec![("apikey".into(), at.anon_key.clone())],
        body: String::new(),
    }
}

pub fn ask_admin<'a>(method: &'a str, path: &str) -> Ask<'a> {
    let url = format!("{}{path}", stack().endpoints.admin_url);
    Ask { method, url, headers: Vec::new(), body: String::new() }
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        if !value.is_empty() {
            self.headers.push((name.into(), value.into()));
        }
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn service(self) -> Self {
        let key = &stack().endpoints.service_role_key;
        self.header("apikey", key).bearer(key)
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self
    }

    pub async fn send(self) -> Result<Answer, hyper::Error> {
        let uri: hyper::Uri = self.url.parse().unwrap();
        let stream = TcpStream::connect(uri.authority().unwrap().as_str()).await.unwrap();
        let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = hyper::Request::builder()
            .method(self.method)
            .uri(uri.path_and_query().unwrap().as_str())
            .header("host", "127.0.0.1")
            .header("content-type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = client.send_request(request.body(Full::new(Bytes::from(self.body))).unwrap()).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        })
    }

    pub async fn answer(self) -> Answer {
        self.send().await.unwrap()
    }
}

pub struct Person {
    pub id: String,
    pub email: String,
    pub token: String,
    pub refresh: String,
}

/// A new account, signed in.
pub async fn person() -> Person {
    let email = format!("{}@example.com", uuid::Uuid::new_v4());
    let new = json!({"email": email, "password": "secret", "email_confirm": true, "app_metadata": {"k": 1}});
    let user = ask("POST", "/auth/v1/admin/users").service().json(&new).answer().await;
    assert_eq!(user.status, 200, "{}", user.body);
    let grant = json!({"email": email, "password": "secret"});
    let session = ask("POST", "/auth/v1/token?grant_type=password").json(&grant).answer().await;
    assert_eq!(session.status, 200, "{}", session.body);
    let text = |name: &str| session.body[name].as_str().unwrap().to_owned();
    Person {
        id: user.body["id"].as_str().unwrap().to_owned(),
        email,
        token: text("access_token"),
        refresh: text("refresh_token"),
    }
}

/// A new person in a new room.
pub async fn member(suffix: &str) -> (Person, String) {
    let person = person().await;
    let room = format!("{}{suffix}", uuid::Uuid::new_v4());
    admit(&person, &room).await;
    (person, room)
}

pub async fn admit(person: &Person, room: &str) {
    let row = json!({"room": room, "person": person.id});
    let added = ask("POST", "/rest/v1/members").service().json(&row).answer().await;
    assert_eq!(added.status, 201, "{}", added.body);
}

pub async fn write(room: &str, body: &str) {
    let row = json!({"room": room, "body": body});
    let added = ask("POST", "/rest/v1/notes").service().json(&row).answer().await;
    assert_eq!(added.status, 201, "{}", added.body);
}

/// A token of that person, with other claims.
pub async fn token(person: &Person, wish: Value) -> String {
    let mut wish = wish;
    wish["sub"] = json!(person.id);
    let minted = ask_admin("POST", "/tokens").json(&wish).answer().await;
    minted.body["access_token"].as_str().unwrap().to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vsn {
    V1,
    V2,
}

pub const BOTH: [Vsn; 2] = [Vsn::V1, Vsn::V2];

pub struct Socket {
    vsn: Vsn,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

pub async fn connect(vsn: Vsn) -> Socket {
    let number = if vsn == Vsn::V1 { "1.0.0" } else { "2.0.0" };
    let key = &stack().endpoints.anon_key;
    let (stream, _) = handshake(&format!("?apikey={key}&vsn={number}")).await.unwrap();
    Socket { vsn, stream }
}

type Handshake = (WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::handshake::client::Response);

pub async fn handshake(query: &str) -> Result<Handshake, tungstenite::Error> {
    let url = stack().endpoints.url.replace("http://", "ws://");
    connect_async(format!("{url}/realtime/v1/websocket{query}")).await
}

/// The config of a private join.
pub fn private(token: &str) -> Value {
    json!({"config": {"private": true, "broadcast": {"ack": true, "self": true}, "presence": {"enabled": false, "key": ""}, "postgres_changes": []}, "access_token": token})
}

impl Socket {
    pub async fn push(&mut self, join_ref: Value, reference: &str, topic: &str, event: &str, payload: Value) {
        let frame = match self.vsn {
            Vsn::V1 => {
                json!({"topic": topic, "event": event, "payload": payload, "ref": reference, "join_ref": join_ref})
            }
            Vsn::V2 => json!([join_ref, reference, topic, event, payload]),
        };
        self.raw(Message::text(frame.to_string())).await;
    }

    pub async fn raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    pub async fn join(&mut self, reference: &str, topic: &str, payload: Value) {
        self.push(json!(reference), reference, topic, "phx_join", payload).await;
    }

    pub async fn heartbeat(&mut self, reference: &str) {
        self.push(Value::Null, reference, "phoenix", "heartbeat", json!({})).await;
    }

    /// The next frame as `[join_ref, ref, topic, event, payload]`; vsn 1.0.0 has no join_ref, and kind 4 is unfolded.
    pub async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                match self.vsn {
                    Vsn::V2 => frame,
                    Vsn::V1 => json!([null, frame["ref"], frame["topic"], frame["event"], frame["payload"]]),
                }
            }
            Message::Binary(frame) => unfold(&frame),
            other => panic!("not a frame: {other:?}"),
        }
    }

    pub async fn message(&mut self) -> Message {
        let next = tokio::time::timeout(WAIT, self.stream.next()).await;
        next.expect("a frame within a minute").expect("an open connection").unwrap()
    }

    /// The code of the close that comes next; 1006 where there is none.
    pub async fn closed(&mut self) -> u16 {
        let next = tokio::time::timeout(WAIT, self.stream.next()).await;
        match next.expect("an end within a minute") {
            Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
            Some(Ok(other)) => panic!("not the end: {other:?}"),
            Some(Err(_)) | None => 1006,
        }
    }

    /// Whether nothing comes for so long.
    pub async fn quiet(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.stream.next()).await.is_err()
    }
}

/// A kind 4 frame as the text frame that it stands for.
pub fn unfold(frame: &[u8]) -> Value {
    let [4, topic, event, meta, encoding] = frame[..5] else {
        panic!("not kind 4: {frame:?}");
    };
    assert_eq!(encoding, 1, "JSON");
    let mut at = 5;
    let mut take = |length: u8| {
        at += usize::from(length);
        std::str::from_utf8(&frame[at - usize::from(length)..at]).unwrap()
    };
    let (topic, event, meta) = (take(topic), take(event), take(meta));
    let payload: Value = serde_json::from_slice(&frame[at..]).unwrap();
    let mut body = json!({"type": "broadcast", "event": event, "payload": payload});
    if !meta.is_empty() {
        body["meta"] = serde_json::from_str(meta).unwrap();
    }
    json!([null, null, topic, "broadcast", body])
}

pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let done = work.await;
    (done, start.elapsed())
}

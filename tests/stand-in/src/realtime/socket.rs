//! One WebSocket. A single task runs everything that touches its channels, and a join is awaited inside it: while one is
//! in flight nothing else on the socket is answered or delivered, as in the real server (protocol.md 1.6).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::access;
use super::hub::{ChannelId, Mailbox, Notice, SocketId, Subscription};
use super::phoenix::{Broadcast, Content, Incoming, Outgoing, Payload, Vsn, Writer};
use super::replay::{self, Replay};
use crate::Server;
use crate::faults::{Effect, Faults, Place, Subject};
use crate::tokens::{Claims, TokenError, now};

/// A broadcast by a client may be as large as on the largest plan.
const BROADCAST_LIMIT: usize = 3_000_500;

/// How often Realtime looks whether its replication runs, for a channel that wants to know.
const READINESS_LOOK: Duration = Duration::from_millis(500);

struct Channel {
    id: ChannelId,
    join_ref: Value,
    private: bool,
    claims: Claims,
    token: String,
    expires: u64,
    ack: bool,
    to_self: bool,
    /// Asked for at the first broadcast after a join or a new token.
    may_write: Option<bool>,
    /// Ids that came by replay and must not come twice.
    replayed: Vec<String>,
    /// Until when it waits to be told that replication is established.
    ready_by: Option<Instant>,
}

struct Socket {
    server: Arc<Server>,
    id: SocketId,
    writer: Writer,
    /// The API key's claims, for channels without a token of their own.
    key: String,
    channels: HashMap<String, Channel>,
    /// When the channels that wait for replication are looked at again.
    look_at: Instant,
    out: mpsc::UnboundedSender<(Instant, Send)>,
}

enum Send {
    Frame(Box<Outgoing>),
    Close(u16),
}

enum Received {
    Frame(Box<Incoming>),
    Idle,
}

pub async fn run(server: Arc<Server>, websocket: WebSocket, vsn: Vsn, key: String) {
    let (notices, mut mailbox) = mpsc::unbounded_channel();
    let cut = Arc::new(Notify::new());
    let id = server.hub.connect(vsn, Mailbox { notices, cut: Arc::clone(&cut) });
    let (sink, source) = websocket.split();
    let (received, mut incoming) = mpsc::unbounded_channel();
    let (out, outgoing) = mpsc::unbounded_channel();
    let reader = read(&server, source, vsn, received, &cut);
    let write = write(&server.faults, sink, outgoing, &cut);
    let socket = Socket {
        server: Arc::clone(&server),
        id,
        writer: Writer(vsn),
        key,
        channels: HashMap::new(),
        look_at: Instant::now(),
        out,
    };
    tokio::select! {
        () = cut.notified() => {}
        () = async { tokio::join!(async { tokio::select! { () = socket.run(&mut incoming, &mut mailbox) => {}, () = reader => {} } }, write); } => {}
    }
    server.hub.disconnect(id);
}

/// From the connection to the socket's task, each frame as late as the network would have it.
async fn read(
    server: &Server,
    mut source: SplitStream<WebSocket>,
    vsn: Vsn,
    received: mpsc::UnboundedSender<(Instant, Received)>,
    cut: &Notify,
) {
    loop {
        let message = match timeout(server.settings.idle, source.next()).await {
            Err(_) => {
                let _ = received.send((Instant::now(), Received::Idle));
                std::future::pending().await
            }
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return,
            Ok(Some(Ok(message))) => message,
        };
        let Some(frame) = Incoming::decode(vsn, &message) else {
            if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                tracing::warn!("ignored a frame that is not of vsn {}", vsn.name());
            }
            continue;
        };
        let subject = Subject {
            event: &frame.event,
            inner_event: frame.inner_event(),
            topic: &frame.topic,
            ..Subject::default()
        };
        let effect = server.faults.at(Place::FrameIn, &subject).unwrap_or_default();
        if effect.cut {
            cut.notify_one();
        }
        if effect.drop || effect.cut {
            continue;
        }
        if let Some(delay) = effect.delay() {
            tokio::time::sleep(delay).await;
        }
        let due = Instant::now() + server.network.one_way();
        if effect.duplicate {
            let _ = received.send((due, Received::Frame(Box::new(frame.clone()))));
        }
        if received.send((due, Received::Frame(Box::new(frame)))).is_err() {
            return;
        }
    }
}

/// From the socket's task to the connection, in order and each frame as late as the network would have it.
async fn write(
    faults: &Faults,
    mut sink: SplitSink<WebSocket, Message>,
    mut outgoing: mpsc::UnboundedReceiver<(Instant, Send)>,
    cut: &Notify,
) {
    while let Some((due, send)) = outgoing.recv().await {
        sleep_until(due).await;
        let frame = match send {
            Send::Frame(frame) => frame,
            Send::Close(code) => {
                let reason = "".into();
                let close = Message::Close(Some(CloseFrame { code, reason }));
                let _ = sink.send(close).await;
                // The client answers the close and ends the connection; who does not is left behind.
                tokio::time::sleep(Duration::from_millis(200)).await;
                return;
            }
        };
        let subject =
            Subject { event: frame.event, inner_event: &frame.inner_event, topic: &frame.topic, ..Subject::default() };
        let effect = faults.at(Place::FrameOut, &subject).unwrap_or_default();
        if effect.cut {
            cut.notify_one();
        }
        if effect.drop || effect.cut {
            continue;
        }
        if let Some(delay) = effect.delay() {
            tokio::time::sleep(delay).await;
        }
        for _ in 0..=u8::from(effect.duplicate) {
            if sink.send(frame.message.clone()).await.is_err() {
                return;
            }
        }
    }
    // Answers the close of a client that said goodbye.
    let _ = sink.close().await;
}

impl Socket {
    async fn run(
        mut self,
        incoming: &mut mpsc::UnboundedReceiver<(Instant, Received)>,
        mailbox: &mut mpsc::UnboundedReceiver<Notice>,
    ) {
        loop {
            tokio::select! {
                biased;
                received = incoming.recv() => match received {
                    Some((due, Received::Frame(frame))) => {
                        sleep_until(due).await;
                        self.frame(*frame).await;
                    }
                    Some((_, Received::Idle)) => return self.close_socket(1000),
                    None => return,
                },
                notice = mailbox.recv() => match notice {
                    Some(Notice::Broadcast(channel, broadcast)) => self.deliver(channel, &broadcast),
                    Some(Notice::Expire(channel)) => self.expire(channel),
                    Some(Notice::RateExceeded(channel)) => self.rate_exceeded(channel),
                    Some(Notice::Restart) => return self.close_socket(1012),
                    None => return,
                },
                channel = next_expiry(&self.channels) => self.expire(channel),
                () = next_look(&self.channels, self.look_at) => self.tell_readiness(),
            }
        }
    }

    async fn frame(&mut self, frame: Incoming) {
        match (frame.topic.as_str(), frame.event.as_str()) {
            ("phoenix", "heartbeat") => self.reply(&frame, "ok", &json!({})),
            (_, "phx_join") => self.join(frame).await,
            (_, "phx_leave") => self.leave(&frame),
            (_, event) => {
                if !self.channels.contains_key(&frame.topic) {
                    return self.unmatched(frame);
                }
                match event {
                    "access_token" => self.new_token(&frame).await,
                    "broadcast" => self.speak(frame).await,
                    "presence" => {
                        let reason = json!({"reason": "the local stand-in does not imitate presence"});
                        self.reply(&frame, "error", &reason);
                    }
                    other => tracing::warn!("ignored the unknown event {other:?}"),
                }
            }
        }
    }

    fn unmatched(&self, mut frame: Incoming) {
        frame.join_ref = Value::Null;
        self.reply(&frame, "error", &json!({"reason": "unmatched topic"}));
    }

    async fn join(&mut self, frame: Incoming) {
        let Some(topic) = frame.topic.strip_prefix("realtime:").map(str::to_owned) else {
            return self.unmatched(frame);
        };
        let former = self.remove(&frame.topic);
        match self.admit(&frame, &topic).await {
            Ok(Admitted { channel, subscription, replayed, presence }) => {
                let (join_ref, name) = (&frame.join_ref, frame.topic.as_str());
                let id = self.server.hub.join(subscription);
                self.channels.insert(frame.topic.clone(), Channel { id, ..channel });
                self.reply(&frame, "ok", &json!({"postgres_changes": []}));
                for row in &replayed {
                    if let Some(out) = self.writer.replayed(join_ref, name, row) {
                        self.send(out);
                    }
                }
                if presence {
                    self.send(self.writer.push(join_ref, name, "presence_state", &json!({})));
                }
                self.tell_readiness();
            }
            Err(reason) => {
                tokio::time::sleep(self.server.settings.refused_join).await;
                self.reply(&frame, "error", &json!({"reason": reason}));
            }
        }
        // The end of the channel that this join replaced: written after the answer, with the old ref.
        if let Some(former) = former {
            self.send(self.writer.close(&former.join_ref, &frame.topic));
        }
    }

    async fn admit(&self, frame: &Incoming, topic: &str) -> Result<Admitted, String> {
        if topic.is_empty() {
            return Err("TopicNameRequired: You must provide a topic name".into());
        }
        let Payload::Json(payload) = &frame.payload else {
            return Err("UnknownErrorOnChannel: the join is not JSON".into());
        };
        let config = &payload["config"];
        if config["postgres_changes"].as_array().is_some_and(|changes| !changes.is_empty()) {
            return Err("NotImitated: the local stand-in has no postgres_changes".into());
        }
        let effect = self.at_policies(&frame.topic, "phx_join").await;
        if let Some(reason) = effect.refuse {
            return Err(reason);
        }
        let private = flag(&config["private"]);
        let token = match payload["access_token"].as_str().or(payload["user_token"].as_str()) {
            Some(token) if !token.starts_with("sb_") => token,
            _ => &self.key,
        };
        let (claims, expires) =
            self.server.channel_claims(token).map_err(|e| format!("{}: {}", e.code(), e.message()))?;
        if private
            && (effect.raise
                || !access::may_read(&self.server, &claims, topic).await.map_err(|e| unreachable_database(&e))?)
        {
            return Err(format!("Unauthorized: {}", no_read(topic)));
        }
        let broadcast = &config["broadcast"];
        let rows = match &broadcast["replay"] {
            Value::Null => Vec::new(),
            wish => {
                let refused =
                    |_| "UnableToReplayMessages: Replay params are not valid or the channel is public".to_owned();
                let wish = Replay::parse(wish, private).map_err(refused)?;
                replay::rows(&self.server.superuser, topic, wish).await.map_err(|e| unreachable_database(&e))?
            }
        };
        let replayed = rows.iter().filter_map(|row| match &row.content {
            Content::Row { id, .. } | Content::BinaryRow { id, .. } => Some(id.clone()),
            _ => None,
        });
        Ok(Admitted {
            subscription: Subscription {
                socket: self.id,
                private,
                topic: topic.to_owned(),
                join_ref: frame.join_ref.clone(),
                user: text_claim(&claims, "sub"),
                role: text_claim(&claims, "role").unwrap_or_default(),
            },
            channel: Channel {
                id: 0,
                join_ref: frame.join_ref.clone(),
                private,
                claims,
                token: token.to_owned(),
                expires,
                ack: flag(&broadcast["ack"]),
                to_self: flag(&broadcast["self"]),
                may_write: None,
                replayed: replayed.collect(),
                ready_by: flag(&broadcast["replication_ready"])
                    .then(|| Instant::now() + self.server.settings.replication_ready),
            },
            presence: flag(&config["presence"]["enabled"]),
            replayed: rows,
        })
    }

    /// Without the join_ref of the channel a leave is ignored, silently.
    fn leave(&mut self, frame: &Incoming) {
        match self.channels.get(&frame.topic) {
            None => self.reply(frame, "ok", &json!({})),
            Some(channel) if channel.join_ref == frame.join_ref => {
                self.reply(frame, "ok", &json!({}));
                self.close_channel(&frame.topic.clone());
            }
            Some(_) => {}
        }
    }

    /// Accepted in silence; refused with a system error and the end of the channel.
    async fn new_token(&mut self, frame: &Incoming) {
        let Payload::Json(payload) = &frame.payload else {
            return;
        };
        let name = frame.topic.clone();
        let Some(channel) = self.channels.get(&name) else {
            return;
        };
        let token = match payload["access_token"].as_str() {
            None => return,
            Some(token) if token.starts_with("sb_") || token == channel.token => return,
            Some(token) => token.to_owned(),
        };
        let (id, private) = (channel.id, channel.private);
        let effect = self.at_policies(&name, "access_token").await;
        let refusal = match self.server.channel_claims(&token) {
            Err(TokenRefusal::Token(TokenError::Signature)) => ":signature_error".to_owned(),
            Err(refusal) => refusal.message(),
            Ok((claims, expires)) => {
                let topic = bare(&name).to_owned();
                let readable =
                    !private || !effect.raise && access::may_read(&self.server, &claims, &topic).await.unwrap_or(false);
                if readable {
                    let user = text_claim(&claims, "sub");
                    let role = text_claim(&claims, "role").unwrap_or_default();
                    self.server.hub.set_user(id, user, role);
                    if let Some(channel) = self.channels.get_mut(&name) {
                        channel.claims = claims;
                        channel.expires = expires;
                        channel.token = token;
                        channel.may_write = None;
                    }
                    return;
                }
                no_read(&topic)
            }
        };
        self.fail_channel(&name, &refusal);
    }

    /// A broadcast by the client. A refused one gets no answer, even where an ack was asked for.
    async fn speak(&mut self, frame: Incoming) {
        let name = frame.topic.clone();
        let Some(channel) = self.channels.get_mut(&name) else {
            return;
        };
        let may_write = match channel.may_write {
            _ if !channel.private => true,
            Some(known) => known,
            None => access::may_write(&self.server, &channel.claims, bare(&name)).await.unwrap_or(false),
        };
        channel.may_write = Some(may_write);
        if !may_write {
            return;
        }
        let (ack, to_self) = (channel.ack, channel.to_self);
        let (id, private) = (channel.id, channel.private);
        let size = match &frame.payload {
            Payload::Json(value) => value.to_string().len(),
            Payload::User { bytes, .. } => bytes.len(),
        };
        if size > BROADCAST_LIMIT {
            if ack {
                self.reply(&frame, "error", &json!("payload_size_exceeded"));
            }
            return;
        }
        let broadcast = Arc::new(Broadcast {
            private,
            topic: bare(&name).to_owned(),
            event: frame.inner_event().to_owned(),
            content: match &frame.payload {
                Payload::Json(value) => Content::Text(value.clone()),
                Payload::User { json, bytes, .. } => Content::User { json: *json, bytes: bytes.clone() },
            },
        });
        self.server.hub.publish(&broadcast, Some(id));
        if to_self {
            self.deliver(id, &broadcast);
        }
        if ack {
            self.reply(&frame, "ok", &json!({}));
        }
    }

    fn deliver(&self, id: ChannelId, broadcast: &Broadcast) {
        let Some((name, channel)) = self.channels.iter().find(|(_, c)| c.id == id) else {
            return;
        };
        if let Content::Row { id, .. } | Content::BinaryRow { id, .. } = &broadcast.content
            && channel.replayed.contains(id)
        {
            return;
        }
        if let Some(frame) = self.writer.broadcast(name, broadcast) {
            self.send(frame);
        }
    }

    /// The faults of a join, or of a token that was pushed.
    async fn at_policies(&self, topic: &str, event: &str) -> Effect {
        let subject = Subject { event, topic, ..Subject::default() };
        let effect = self.server.faults.at(Place::Join, &subject).unwrap_or_default();
        if let Some(delay) = effect.delay() {
            tokio::time::sleep(delay).await;
        }
        effect
    }

    /// To the channels that wait for it: replication is established, or was not in time.
    fn tell_readiness(&mut self) {
        let established = self.server.hub.streaming() && !self.server.faults.stands(Place::Replication);
        let now = Instant::now();
        self.look_at = now + READINESS_LOOK;
        let mut late = Vec::new();
        for (name, channel) in &mut self.channels {
            let Some(ready_by) = channel.ready_by.filter(|by| established || *by <= now) else {
                continue;
            };
            channel.ready_by = None;
            if established {
                let payload = system(name, "ok", "Replication connection established");
                let frame = self.writer.push(&channel.join_ref, name, "system", &payload);
                let due = now + self.server.network.one_way();
                let _ = self.out.send((due, Send::Frame(Box::new(frame))));
            } else if ready_by <= now {
                late.push(name.clone());
            }
        }
        for name in late {
            self.fail_channel(&name, "Replication connection was not established in time");
        }
    }

    fn rate_exceeded(&mut self, id: ChannelId) {
        if let Some((name, _)) = self.channels.iter().find(|(_, c)| c.id == id) {
            self.fail_channel(&name.clone(), "Too many messages per second");
        }
    }

    fn expire(&mut self, id: ChannelId) {
        let Some((name, channel)) = self.channels.iter().find(|(_, c)| c.id == id) else {
            return;
        };
        let ago = now().saturating_sub(channel.expires);
        let name = name.clone();
        self.fail_channel(&name, &TokenRefusal::Token(TokenError::Expired(ago)).message());
    }

    fn fail_channel(&mut self, name: &str, message: &str) {
        if let Some(channel) = self.channels.get(name) {
            let payload = system(name, "error", message);
            self.send(self.writer.push(&channel.join_ref, name, "system", &payload));
            self.close_channel(name);
        }
    }

    fn close_channel(&mut self, name: &str) {
        if let Some(channel) = self.remove(name) {
            self.send(self.writer.close(&channel.join_ref, name));
        }
    }

    fn remove(&mut self, name: &str) -> Option<Channel> {
        let channel = self.channels.remove(name)?;
        self.server.hub.leave(channel.id);
        Some(channel)
    }

    fn reply(&self, frame: &Incoming, status: &str, response: &Value) {
        let refs = (&frame.join_ref, &frame.reference);
        self.send(self.writer.reply(refs, &frame.topic, status, response));
    }

    fn send(&self, frame: Outgoing) {
        let due = Instant::now() + self.server.network.one_way();
        let _ = self.out.send((due, Send::Frame(Box::new(frame))));
    }

    fn close_socket(self, code: u16) {
        let due = Instant::now() + self.server.network.one_way();
        let _ = self.out.send((due, Send::Close(code)));
    }
}

struct Admitted {
    channel: Channel,
    subscription: Subscription,
    replayed: Vec<Broadcast>,
    presence: bool,
}

/// Why a token is no good for a channel or a handshake, in Realtime's words.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    Token(TokenError),
    /// Realtime insists on `role` and `exp`.
    MissingClaims,
}

impl TokenRefusal {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token(TokenError::Malformed | TokenError::Claims | TokenError::Parts(_)) => "MalformedJWT",
            Self::Token(TokenError::Signature) => "JwtSignatureError",
            Self::Token(_) | Self::MissingClaims => "InvalidJWTToken",
        }
    }

    pub fn message(&self) -> String {
        match self {
            Self::Token(TokenError::Malformed | TokenError::Claims | TokenError::Parts(_)) => {
                "The token provided is not a valid JWT".into()
            }
            Self::Token(TokenError::Signature) => "Failed to validate JWT signature".into(),
            Self::Token(TokenError::Expired(ago)) => {
                format!("Token has expired {ago} seconds ago")
            }
            Self::Token(TokenError::NotYetValid | TokenError::IssuedInFuture | TokenError::NotANumber(_)) => {
                "Token expiration time is invalid".into()
            }
            Self::MissingClaims => "Fields `role` and `exp` are required in JWT".into(),
        }
    }
}

impl Server {
    /// The claims of a token that Realtime accepts, and when it ends.
    pub fn channel_claims(&self, token: &str) -> Result<(Claims, u64), TokenRefusal> {
        let claims = self.tokens.verify(token, 0).map_err(TokenRefusal::Token)?;
        let expires = claims.get("exp").and_then(Value::as_u64);
        match (expires, text_claim(&claims, "role")) {
            (Some(expires), Some(_)) => Ok((claims, expires)),
            _ => Err(TokenRefusal::MissingClaims),
        }
    }
}

/// Resolves to the channel whose token ends next, when it does.
async fn next_expiry(channels: &HashMap<String, Channel>) -> ChannelId {
    match channels.values().min_by_key(|c| c.expires) {
        None => std::future::pending().await,
        Some(channel) => {
            let left = channel.expires.saturating_sub(now());
            // `exp` is in whole seconds and so is the clock it is compared with: try again while it is not yet over.
            tokio::time::sleep(Duration::from_secs(left)).await;
            while now() < channel.expires {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            channel.id
        }
    }
}

/// Resolves when the channels that wait for replication are to be looked at again; never where none waits.
async fn next_look(channels: &HashMap<String, Channel>, at: Instant) {
    if channels.values().any(|c| c.ready_by.is_some()) {
        sleep_until(at).await;
    } else {
        std::future::pending().await
    }
}

fn system(name: &str, status: &str, message: &str) -> Value {
    json!({"extension": "system", "status": status, "message": message, "channel": bare(name)})
}

/// A boolean of a join's config: `true` or `"true"`.
fn flag(value: &Value) -> bool {
    value == &Value::Bool(true) || value.as_str() == Some("true")
}

fn bare(name: &str) -> &str {
    name.strip_prefix("realtime:").unwrap_or(name)
}

fn text_claim(claims: &Claims, name: &str) -> Option<String> {
    claims.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn no_read(topic: &str) -> String {
    format!("You do not have permissions to read from this Channel topic: {topic}")
}

fn unreachable_database(error: &anyhow::Error) -> String {
    tracing::warn!("a join could not ask the database: {error:#}");
    "UnableToConnectToProject: Realtime was unable to connect to the project database".into()
}

//! Forged, stale and boastful tokens at every door of the stand-in: what each comes to is written down here. The stand-in
//! checks them as the genuine servers do (protocol.md 1.12, 4.5, 4.6).

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sql_tests::Person::{Ana, Ben, Cleo, Erin};
use sql_tests::tally::Tally;
use sql_tests::{Database, Person};
use supabase_local::tokens::{Tokens, now};
use supabase_local::{Options, Settings, Stack};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// What is tried with a token, in the order of the expectations.
const DOORS: [&str; 8] = [
    "read ana__ben",
    "send as Ana",
    "Auth's user",
    "Auth's list of users",
    "join chat:ana__ben",
    "push to Ana's channel",
    "open a socket with it as API key",
    "read with it as API key",
];

/// Who made the token, and of what.
enum Forgery {
    /// Ana's own, as Auth signs it, with some claims changed; null takes one away.
    Signed(Value),
    /// The same under the legacy HS256 secret.
    SignedLegacy(Value),
    /// Ana's own token, its payload changed under the old signature.
    Altered(Value),
    /// By somebody else's keys.
    Foreign {
        hs256: bool,
    },
    /// Without a signature, under this `alg`.
    Unsigned(&'static str),
    /// Ana's own token without its last part, or with an empty one.
    Cut {
        keep_dot: bool,
    },
    /// HS256, with what everybody can read in the key set as the secret.
    PublicKeyAsSecret,
    /// A key of the project.
    AnonKey,
    PublishableKey,
    ServiceKey,
    Text(&'static str),
}

const NO_KEY: &str = "401";
/// No server can make anything of it.
const MALFORMED: [&str; 8] =
    ["401 PGRST301", "401 PGRST301", "403 bad_jwt", "403 bad_jwt", "MalformedJWT", "closed", NO_KEY, NO_KEY];
const FORGED: [&str; 8] =
    ["401 PGRST301", "401 PGRST301", "403 bad_jwt", "403 bad_jwt", "JwtSignatureError", "closed", NO_KEY, NO_KEY];
/// Signed by the project, but not of this time.
const UNTIMELY: [&str; 8] =
    ["401 PGRST303", "401 PGRST303", "403 bad_jwt", "403 bad_jwt", "InvalidJWTToken", "closed", NO_KEY, NO_KEY];
/// Good everywhere.
const ANAS: [&str; 8] = ["200 3", "200 ana", "200", "403 not_admin", "ok", "kept", "101", NO_KEY];

/// From "without exp" on, what only the holder of the project's keys could make: there it matters that the database gives
/// no more than the claims say.
#[rustfmt::skip]
fn attacks() -> Vec<(&'static str, Forgery, [&'static str; 8])> {
    use Forgery::*;
    let ago = |seconds: u64| json!({"exp": now() - seconds});
    let not_admin = "403 not_admin";
    vec![
        ("Ana's own", Signed(json!({})), ANAS),
        ("Ana's own, under the legacy secret", SignedLegacy(json!({"iat": now() - 6})), ANAS),
        ("another's subject under Ana's signature", Altered(json!({"sub": Ben.supabase_id()})), FORGED),
        ("service_role under Ana's signature", Altered(json!({"role": "service_role"})), FORGED),
        ("more time under Ana's signature", Altered(json!({"exp": now() + 9_999_999})), FORGED),
        ("another project's ES256", Foreign { hs256: false }, FORGED),
        ("another project's HS256", Foreign { hs256: true }, FORGED),
        ("the public key as HS256 secret", PublicKeyAsSecret, FORGED),
        ("alg none", Unsigned("none"), FORGED),
        ("alg None", Unsigned("None"), FORGED),
        ("no alg", Unsigned(""), FORGED),
        ("ES256 with an empty signature", Cut { keep_dot: true }, FORGED),
        ("two parts", Cut { keep_dot: false }, MALFORMED),
        ("no token at all", Text("let me in"), MALFORMED),
        ("dots", Text(".."), MALFORMED),
        ("expired a minute ago", Signed(ago(60)), UNTIMELY),
        // PostgREST allows 30 s, Auth and Realtime none.
        ("expired 10 s ago", Signed(ago(10)), ["200 3", "200 ana", "403 bad_jwt", "403 bad_jwt", "InvalidJWTToken", "closed", NO_KEY, NO_KEY]),
        ("not valid yet", Signed(json!({"nbf": now() + 600})), UNTIMELY),
        ("exp zero", Signed(json!({"exp": 0})), UNTIMELY),
        ("exp before 1970", Signed(json!({"exp": -5})), UNTIMELY),
        ("exp as text", Signed(json!({"exp": "9999999999"})), UNTIMELY),
        ("without exp", Signed(json!({"exp": null})), ["200 3", "200 ana", "200", not_admin, "InvalidJWTToken", "closed", NO_KEY, NO_KEY]),
        // PostgREST then takes the caller for anon.
        ("without role", Signed(json!({"role": null})), ["401 42501", "401 42501", "200", not_admin, "InvalidJWTToken", "closed", NO_KEY, NO_KEY]),
        ("role of nobody", Signed(json!({"role": "nobody_knows"})), ["401 22023", "401 22023", "200", not_admin, "Unauthorized", "closed", "101", NO_KEY]),
        ("role with SQL in it", Signed(json!({"role": "authenticated'; reset role; --"})), ["401 22023", "401 22023", "200", not_admin, "Unauthorized", "closed", "101", NO_KEY]),
        ("role anon", Signed(json!({"role": "anon"})), ["401 42501", "401 42501", "200", not_admin, "Unauthorized", "closed", "101", NO_KEY]),
        // The role that PostgREST connects as may not become it; the one that Realtime connects as may become any.
        ("role of the installer", Signed(json!({"role": "postgres"})), ["403 42501", "403 42501", "200", not_admin, "ok", "kept", "101", NO_KEY]),
        // Supabase sets no audience for PostgREST and Realtime.
        ("another's audience", Signed(json!({"aud": "another-service"})), ANAS),
        ("Cleo's subject", Signed(json!({"sub": Cleo.supabase_id()})), ["200 0", "403 42501", "200", not_admin, "Unauthorized", "closed", "101", NO_KEY]),
        ("a subject that is gone", Signed(json!({"sub": Erin.supabase_id()})), ["200 0", "403 42501", "403 user_not_found", not_admin, "Unauthorized", "closed", "101", NO_KEY]),
        ("a subject that is no id", Signed(json!({"sub": "ana"})), ["400 22P02", "400 22P02", "400 bad_jwt", not_admin, "Unauthorized", "closed", "101", NO_KEY]),
        ("without subject", Signed(json!({"sub": null})), ["200 0", "403 42501", "403 bad_jwt", not_admin, "Unauthorized", "closed", "101", NO_KEY]),
        // The project's keys. An opaque one is never anybody's token; Realtime ignores it.
        ("the anon key", AnonKey, ["401 42501", "401 42501", "403 bad_jwt", not_admin, "Unauthorized", "closed", "101", "401 42501"]),
        ("the publishable key", PublishableKey, ["401 PGRST301", "401 PGRST301", "403 bad_jwt", "403 bad_jwt", "Unauthorized", "kept", "101", "401 42501"]),
        // It reads all, and speaks for nobody. As the API key alone it is no token.
        ("the service role key", ServiceKey, ["200 3", "403 42501", "403 bad_jwt", "200", "ok", "kept", "101", "401 42501"]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_at_every_door() -> Result<()> {
    let stage = Stage::set().await?;
    let mut tally = Tally::default();
    for (name, forgery, expected) in attacks() {
        let token = stage.make(&forgery)?;
        for (door, expected) in DOORS.iter().zip(expected) {
            let got = stage.attempt(door, &token).await.with_context(|| format!("{name} at {door}"))?;
            tally.cell(door, name, expected, &got);
        }
    }
    tally.report("tokens at the stand-in's doors")
}

/// What a user may write about themselves opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_ana_by_saying_so() -> Result<()> {
    let stage = Stage::set().await?;
    let service = stage.stack.endpoints.service_role_key.clone();
    let account = json!({
        "email": "mallory@example.com", "password": "mallory-1", "email_confirm": true,
        "app_metadata": {"mongoUserId": "mallory"},
    });
    let made = stage.ask("POST", "/auth/v1/admin/users", Some(&service), &account).await?;
    assert_eq!(made.status, 200, "{}", made.body);
    let sign_in = async || -> Result<String> {
        let grant = json!({"email": "mallory@example.com", "password": "mallory-1"});
        let session = stage.ask("POST", "/auth/v1/token?grant_type=password", None, &grant).await?;
        session.body["access_token"].as_str().map(str::to_owned).context("signed in")
    };
    let lies = json!({"mongoUserId": "ana", "sub": Ana.supabase_id(), "role": "service_role", "app_metadata": {"mongoUserId": "ana"}});
    let first = sign_in().await?;
    let told = stage.ask("PUT", "/auth/v1/user", Some(&first), &json!({"data": lies})).await?;
    assert_eq!(told.status, 200, "user_metadata is theirs to write");
    for (name, lie) in
        [("app_metadata", json!({"mongoUserId": "ana"})), ("role", json!("service_role")), ("aud", json!("x"))]
    {
        let mut change = json!({"data": {"said": name}});
        change[name] = lie;
        stage.ask("PUT", "/auth/v1/user", Some(&first), &change).await?;
    }

    let token = sign_in().await?;
    let user = stage.ask("GET", "/auth/v1/user", Some(&token), &Value::Null).await?;
    assert_eq!(user.body["app_metadata"]["mongoUserId"], "mallory");
    assert_eq!(user.body["user_metadata"]["mongoUserId"], "ana", "the lie is told");
    assert_eq!(user.body["role"], "authenticated");
    let mut tally = Tally::default();
    let expected = ["200 0", "403 42501", "200", "403 not_admin", "Unauthorized", "closed", "101", NO_KEY];
    for (door, expected) in DOORS.iter().zip(expected) {
        tally.cell(door, "Mallory, who says that she is Ana", expected, &stage.attempt(door, &token).await?);
    }
    tally.report("user_metadata at the stand-in's doors")
}

struct Stage {
    stack: Stack,
    ana: String,
}

struct Answer {
    status: u16,
    body: Value,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Stage {
    async fn set() -> Result<Stage> {
        let database = Database::with_people().await?;
        let short = Duration::from_millis(20);
        let settings = Settings { refused_join: short, refused_connect: short, ..Settings::default() };
        let stack = Stack::start(Options {
            database_url: Some(database.superuser_url.clone()),
            settings,
            ..Options::default()
        })
        .await?;
        let ana = stack.server.tokens.sign(&claims(Ana));
        Ok(Stage { stack, ana })
    }

    fn make(&self, forgery: &Forgery) -> Result<String> {
        let tokens = &self.stack.server.tokens;
        let at = &self.stack.endpoints;
        let parts: Vec<&str> = self.ana.split('.').collect();
        let [header, payload, signature] = parts[..] else { bail!("a token has three parts") };
        Ok(match forgery {
            Forgery::Signed(changes) => tokens.sign(&changed(changes)),
            Forgery::SignedLegacy(changes) => tokens.sign_hs256(&changed(changes)),
            Forgery::Altered(changes) => format!("{header}.{}.{signature}", part(&changed(changes))),
            Forgery::Foreign { hs256 } => {
                let foreign = Tokens::new("the secret of somebody else's project, as long")?;
                if *hs256 { foreign.sign_hs256(&claims(Ana)) } else { foreign.sign(&claims(Ana)) }
            }
            Forgery::Unsigned(alg) => {
                let header = if alg.is_empty() { json!({"typ": "JWT"}) } else { json!({"alg": alg, "typ": "JWT"}) };
                format!("{}.{payload}.", part(&header))
            }
            Forgery::Cut { keep_dot } => format!("{header}.{payload}{}", if *keep_dot { "." } else { "" }),
            Forgery::PublicKeyAsSecret => Tokens::new(&tokens.jwks()["keys"][0].to_string())?.sign_hs256(&claims(Ana)),
            Forgery::AnonKey => at.anon_key.clone(),
            Forgery::PublishableKey => at.publishable_key.clone(),
            Forgery::ServiceKey => at.service_role_key.clone(),
            Forgery::Text(text) => (*text).to_owned(),
        })
    }

    async fn attempt(&self, door: &str, token: &str) -> Result<String> {
        let read = "/rest/v1/chat_messages?thread_id=eq.ana__ben&seq=lte.3";
        let answer = match door {
            "read ana__ben" => self.ask("GET", read, Some(token), &Value::Null).await?,
            "send as Ana" => {
                let message = json!({"_thread_id": "ana__ben", "_sender_mongo_id": "ana", "_recipient_mongo_id": "ben", "_body": "x"});
                self.ask("POST", "/rest/v1/rpc/insert_chat_message", Some(token), &message).await?
            }
            "Auth's user" => self.ask("GET", "/auth/v1/user", Some(token), &Value::Null).await?,
            "Auth's list of users" => self.ask("GET", "/auth/v1/admin/users", Some(token), &Value::Null).await?,
            "join chat:ana__ben" => {
                let mut socket = self.socket(&self.stack.endpoints.anon_key).await?;
                return join(&mut socket, token).await;
            }
            "push to Ana's channel" => {
                let mut socket = self.socket(&self.stack.endpoints.anon_key).await?;
                // Not the token that may be pushed: that would be no news.
                let joined =
                    join(&mut socket, &self.stack.server.tokens.sign(&changed(&json!({"iat": now() - 7})))).await?;
                assert_eq!(joined, "ok");
                push(&mut socket, json!(["1", "2", "realtime:chat:ana__ben", "access_token", {"access_token": token}]))
                    .await?;
                push(&mut socket, json!([null, "3", "phoenix", "heartbeat", {}])).await?;
                loop {
                    let frame = next(&mut socket).await?;
                    match frame[3].as_str() {
                        Some("phx_close") => return Ok("closed".into()),
                        Some("phx_reply") if frame[1] == "3" => return Ok("kept".into()),
                        _ => {}
                    }
                }
            }
            "open a socket with it as API key" => {
                return match self.socket(token).await {
                    Ok(_) => Ok("101".into()),
                    Err(error) => match error.downcast::<tungstenite::Error>()? {
                        tungstenite::Error::Http(answer) => Ok(answer.status().as_u16().to_string()),
                        error => Err(error.into()),
                    },
                };
            }
            "read with it as API key" => self.request("GET", read, token, None, &Value::Null).await?,
            _ => bail!("no such door"),
        };
        let status = answer.status;
        Ok(match &answer.body {
            Value::Array(rows) => format!("{status} {}", rows.len()),
            body => {
                let word = ["code", "error_code", "sender_mongo_id"].iter().find_map(|name| body[name].as_str());
                word.map_or_else(|| status.to_string(), |word| format!("{status} {word}"))
            }
        })
    }

    async fn ask(&self, method: &str, path: &str, bearer: Option<&str>, body: &Value) -> Result<Answer> {
        self.request(method, path, &self.stack.endpoints.anon_key, bearer, body).await
    }

    async fn request(&self, method: &str, path: &str, key: &str, bearer: Option<&str>, body: &Value) -> Result<Answer> {
        let authority = self.stack.endpoints.url.trim_start_matches("http://");
        let stream = TcpStream::connect(authority).await?;
        let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", authority)
            .header("apikey", key)
            .header("content-type", "application/json");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = client.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    async fn socket(&self, key: &str) -> Result<Socket> {
        let url = self.stack.endpoints.url.replace("http://", "ws://");
        let key = key.replace(' ', "%20");
        Ok(connect_async(format!("{url}/realtime/v1/websocket?apikey={key}&vsn=2.0.0")).await?.0)
    }
}

/// "ok", or the code of the refusal.
async fn join(socket: &mut Socket, token: &str) -> Result<String> {
    let config = json!({"config": {"private": true}, "access_token": token});
    push(socket, json!(["1", "1", "realtime:chat:ana__ben", "phx_join", config])).await?;
    loop {
        let frame = next(socket).await?;
        if frame[3] == "phx_reply" {
            let reason = frame[4]["response"]["reason"].as_str().unwrap_or("ok");
            return Ok(reason.split(':').next().unwrap_or_default().to_owned());
        }
    }
}

async fn push(socket: &mut Socket, frame: Value) -> Result<()> {
    Ok(socket.send(Message::text(frame.to_string())).await?)
}

async fn next(socket: &mut Socket) -> Result<Value> {
    loop {
        let frame =
            tokio::time::timeout(Duration::from_secs(10), socket.next()).await?.context("the socket ended")??;
        if let Message::Text(text) = frame {
            return Ok(serde_json::from_str(&text)?);
        }
    }
}

fn claims(person: Person) -> Value {
    json!({
        "sub": person.supabase_id(), "aud": "authenticated", "role": "authenticated",
        "iat": now() - 5, "exp": now() + 600,
    })
}

fn changed(changes: &Value) -> Value {
    let mut claims = claims(Ana);
    if let (Value::Object(claims), Value::Object(changes)) = (&mut claims, changes) {
        claims.extend(changes.clone());
        claims.retain(|_, value| !value.is_null());
    }
    claims
}

fn part(value: &Value) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(value.to_string())
}

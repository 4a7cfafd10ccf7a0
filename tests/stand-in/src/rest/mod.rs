//! `/rest/v1`: PostgREST for one schema, `public`. Each request is one transaction as the token's role with its claims,
//! so that grants and row level security decide; bodies are made by PostgreSQL, as PostgREST has them made.

pub mod catalog;
pub mod error;
mod query;
mod statement;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio_postgres::SimpleQueryMessage;

use crate::Server;
use crate::sql::quote;
use crate::tokens::{Claims, TokenError};
use error::RestError;
use query::Query;
use statement::{Arguments, CALL, Range, Shape, Statement};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

type Result<T> = std::result::Result<T, RestError>;

pub async fn root() -> Response {
    RestError::not_imitated("the OpenAPI description").into_response()
}

pub async fn table(
    State(server): State<Arc<Server>>,
    method: Method,
    Path(table): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = async {
        let (request, caller) = Request::new(&server, method, format!("/{table}"), &headers)?;
        let query = request.window(Query::parse(&table, query.as_deref().unwrap_or(""), |_, _| false)?)?;
        let known = |c: &catalog::Catalog| c.tables.contains_key(&table).then_some(());
        let catalog = server.catalog(known).await?;
        let found = catalog.tables.get(&table).ok_or_else(|| {
            let message = format!("Could not find the table 'public.{table}' in the schema cache");
            RestError::new(404, "PGRST205", message)
        })?;
        let prefer = &request.prefer;
        let statement = match request.method.as_str() {
            "OPTIONS" => return Ok(allow("OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE")),
            "GET" | "HEAD" => Statement::read(&table, &query, prefer),
            "POST" => {
                request.json_body()?;
                Statement::insert(&table, found, &query, prefer, &body)?
            }
            "PATCH" => {
                request.json_body()?;
                Statement::update(&table, found, &query, prefer, &body)?
            }
            "DELETE" => Statement::delete(&table, &query, prefer),
            "PUT" => return Err(RestError::not_imitated("PUT; use POST with resolution")),
            other => {
                let message = format!("Unsupported HTTP method: {other}");
                return Err(RestError::new(405, "PGRST117", message));
            }
        };
        request.run(&server, &caller, &catalog, &statement, query.offset).await
    };
    answer.await.unwrap_or_else(RestError::into_response)
}

pub async fn rpc(
    State(server): State<Arc<Server>>,
    method: Method,
    Path(function): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = async {
        let (request, caller) = Request::new(&server, method, format!("/rpc/{function}"), &headers)?;
        let by_body = match request.method.as_str() {
            "GET" | "HEAD" | "OPTIONS" => false,
            "POST" => true,
            other => {
                let message = format!("Cannot use the {other} method on RPC");
                return Err(RestError::new(405, "PGRST101", message));
            }
        };
        let text = query.as_deref().unwrap_or("");
        let parse = |c: &catalog::Catalog| {
            Query::parse(CALL, text, |name, value| {
                !by_body && (c.is_argument(&function, name) || !query::is_reserved(name, value))
            })
        };
        let given = |query: &Query| match request.content_type.as_str() {
            _ if !by_body => Ok(Arguments::from_pairs(query.arguments.clone())),
            "application/json" => Arguments::parse(&body),
            "application/x-www-form-urlencoded" => {
                Ok(Arguments::from_pairs(query::pairs(&String::from_utf8_lossy(&body))?))
            }
            "text/plain" | "text/xml" | "application/octet-stream" => Err(no_function(&function, &[], &request)),
            _ => request.json_body().map(|()| Arguments::from_pairs([])),
        };
        let catalog = server
            .catalog(|c| {
                let names = given(&parse(c).ok()?).ok()?.names();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                (!c.function(&function, &names).is_empty()).then_some(())
            })
            .await?;
        let query = request.window(parse(&catalog)?)?;
        let given = given(&query)?;
        let names = given.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = match catalog.function(&function, &names)[..] {
            [found] => found,
            [] => return Err(no_function(&function, &names, &request)),
            ref several => return Err(ambiguous(&function, several)),
        };
        if request.method == Method::OPTIONS {
            return Ok(allow(if found.volatile { "OPTIONS,POST" } else { "OPTIONS,GET,HEAD,POST" }));
        }
        let statement = Statement::call(&function, found, &query, &request.prefer, &given);
        request.run(&server, &caller, &catalog, &statement, query.offset).await
    };
    answer.await.unwrap_or_else(RestError::into_response)
}

/// Anything deeper than a table or a function.
pub async fn deeper() -> Response {
    RestError::new(404, "PGRST125", "Invalid path specified in request URL").into_response()
}

fn allow(methods: &'static str) -> Response {
    [(header::ALLOW, methods)].into_response()
}

/// Without PostgREST's hint, which is a guess at what was meant.
fn no_function(function: &str, names: &[&str], request: &Request) -> RestError {
    let list = names.join(", ");
    let (called, mut searched) = match names {
        [] => (" without parameters".to_owned(), " without parameters".to_owned()),
        [_] => (format!("({list})"), format!(" with parameter {list}")),
        _ => (format!("({list})"), format!(" with parameters {list}")),
    };
    let mut called = called;
    if request.method == Method::POST {
        let single = |kind: &str| format!(" with a single unnamed {kind} parameter");
        match request.content_type.as_str() {
            "text/plain" => (called, searched) = (String::new(), single("text")),
            "text/xml" => (called, searched) = (String::new(), single("xml")),
            "application/octet-stream" => (called, searched) = (String::new(), single("bytea")),
            "application/json" => searched += &format!(" or{}", single("json/jsonb")),
            _ => {}
        }
    }
    let details = format!(
        "Searched for the function public.{function}{searched}, but no matches were found in the schema cache."
    );
    let message = format!("Could not find the function public.{function}{called} in the schema cache");
    RestError::new(404, "PGRST202", message).details(details)
}

fn ambiguous(function: &str, candidates: &[&catalog::Function]) -> RestError {
    let shown = candidates.iter().map(|f| {
        let arguments: Vec<String> = f.arguments.iter().map(|(name, kind, _)| format!("{name} => {kind}")).collect();
        format!("public.{function}({})", arguments.join(", "))
    });
    let shown: Vec<String> = shown.collect();
    let message = format!("Could not choose the best candidate function between: {}", shown.join(", "));
    RestError::new(300, "PGRST203", message).hint(
        "Try renaming the parameters or the function itself in the database so function overloading can be resolved",
    )
}

/// Whose rights a request has.
struct Caller {
    role: String,
    claims: Claims,
}

/// What of `Prefer` counts here.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Prefer {
    pub representation: bool,
    pub headers_only: bool,
    pub count: bool,
    pub merge_duplicates: bool,
    pub ignore_duplicates: bool,
    pub missing_default: bool,
    pub max_affected: Option<u64>,
    /// As they were given, for `Preference-Applied`.
    pub return_word: Option<String>,
    pub count_word: Option<String>,
}

impl Prefer {
    fn parse(headers: &HeaderMap) -> Result<Self> {
        let mut prefer = Self::default();
        let (mut strict, mut invalid, mut max_affected) = (false, Vec::new(), None);
        let values = headers.get_all("prefer").iter();
        for word in values.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')) {
            let word = word.trim();
            match word {
                "return=representation" | "return=headers-only" | "return=minimal" => {
                    prefer.representation = word.ends_with("representation");
                    prefer.headers_only = word.ends_with("headers-only");
                    prefer.return_word = Some(word.to_owned());
                }
                "count=exact" | "count=planned" | "count=estimated" => {
                    prefer.count = true;
                    prefer.count_word = Some(word.to_owned());
                }
                "resolution=merge-duplicates" => prefer.merge_duplicates = true,
                "resolution=ignore-duplicates" => prefer.ignore_duplicates = true,
                "missing=default" => prefer.missing_default = true,
                "handling=strict" => strict = true,
                "missing=null" | "handling=lenient" | "tx=commit" | "tx=rollback" => {}
                _ => match (word.strip_prefix("max-affected="), word.starts_with("timezone=")) {
                    (Some(most), _) if most.parse::<u64>().is_ok() => max_affected = most.parse().ok(),
                    (_, true) => {}
                    _ => invalid.push(word),
                },
            }
        }
        if strict && !invalid.is_empty() {
            let details = format!("Invalid preferences: {}", invalid.join(", "));
            return Err(
                RestError::new(400, "PGRST122", "Invalid preferences given with handling=strict").details(details)
            );
        }
        prefer.max_affected = max_affected.filter(|_| strict);
        Ok(prefer)
    }
}

/// The form of an answer's rows, as `Accept` wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    /// One row as an object, or nothing.
    singular: bool,
    strip_nulls: bool,
}

impl Form {
    fn negotiate(accept: &str) -> Result<Self> {
        let plain = Self { singular: false, strip_nulls: false };
        for wanted in accept.split(',') {
            let mut parts = wanted.split(';').map(str::trim);
            let kind = parts.next().unwrap_or("");
            let strip_nulls = parts.any(|p| p == "nulls=stripped");
            match kind {
                "*/*" | "application/*" | "application/json" => return Ok(plain),
                "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => {
                    return Ok(Self { singular: true, strip_nulls });
                }
                "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => {
                    return Ok(Self { strip_nulls, ..plain });
                }
                "text/csv" => return Err(RestError::not_imitated("answers as CSV")),
                _ => {}
            }
        }
        // The options of a plan are no part of its name.
        let wanted = accept.split("; options=").next().unwrap_or(accept);
        let message = format!("None of these media types are available: {wanted}");
        Err(RestError::new(406, "PGRST107", message))
    }

    fn content_type(self) -> &'static str {
        match (self.singular, self.strip_nulls) {
            (true, false) => "application/vnd.pgrst.object+json; charset=utf-8",
            (true, true) => "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
            (false, true) => "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
            (false, false) => "application/json; charset=utf-8",
        }
    }
}

struct Request {
    method: Method,
    path: String,
    prefer: Prefer,
    form: Form,
    range: Option<(u64, Option<u64>)>,
    /// Without its parameters; JSON where there is none.
    content_type: String,
    /// As JSON, for `request.headers` and `request.cookies`.
    headers: String,
    cookies: String,
}

impl Request {
    fn new(server: &Server, method: Method, path: String, headers: &HeaderMap) -> Result<(Self, Caller)> {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let bearer = text("authorization").and_then(|a| {
            let (scheme, token) = a.split_once(' ').unwrap_or((a, ""));
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let caller = match bearer {
            // Another scheme is none.
            None => Caller::anonymous(),
            Some("") => return Err(RestError::token(&TokenError::Parts(0))),
            Some(token) => {
                let claims = server.tokens.verify(token, 30).map_err(|e| RestError::token(&e))?;
                let role = match claims.get("role") {
                    None | Some(Value::Null) => "anon".to_owned(),
                    Some(Value::String(role)) => role.clone(),
                    Some(other) => other.to_string(),
                };
                Caller { role, claims }
            }
        };
        let reads = matches!(method, Method::GET | Method::HEAD);
        let profile = if reads { text("accept-profile") } else { text("content-profile") };
        if let Some(schema) = profile.filter(|p| *p != "public") {
            return Err(RestError::new(406, "PGRST106", format!("Invalid schema: {schema}"))
                .hint("Only the following schemas are exposed: public"));
        }
        // A write has no window.
        let range = text("range").filter(|_| reads).and_then(|range| {
            let (from, to) = range.strip_prefix("items=").unwrap_or(range).split_once('-')?;
            Some((from.parse().ok()?, to.parse().ok()))
        });
        let header_map: serde_json::Map<String, Value> =
            headers.iter().filter_map(|(name, value)| Some((name.to_string(), json!(value.to_str().ok()?)))).collect();
        let cookies = text("cookie").unwrap_or("").split(';').filter_map(|c| c.trim().split_once('='));
        let cookies: serde_json::Map<String, Value> = cookies.map(|(name, v)| (name.to_owned(), json!(v))).collect();
        let content_type = text("content-type").unwrap_or("application/json").split(';').next().unwrap_or("");
        let request = Self {
            method,
            path,
            prefer: Prefer::parse(headers)?,
            form: Form::negotiate(text("accept").unwrap_or("*/*"))?,
            range,
            content_type: content_type.trim().to_ascii_lowercase(),
            headers: Value::Object(header_map).to_string(),
            cookies: Value::Object(cookies).to_string(),
        };
        Ok((request, caller))
    }

    /// The header `Range` narrows what `limit` and `offset` say.
    fn window(&self, mut query: Query) -> Result<Query> {
        let Some((from, to)) = self.range else {
            return Ok(query);
        };
        if to.is_some_and(|to| to < from) {
            let details = "The lower boundary must be lower than or equal to the upper boundary in the Range header.";
            return Err(RestError::new(416, "PGRST103", "Requested range not satisfiable").details(details));
        }
        let end = query.limit.map(|limit| query.offset + limit);
        let end = [end, to.map(|to| to + 1)].into_iter().flatten().min();
        query.offset = query.offset.max(from);
        query.limit = match end {
            None => None,
            Some(end) if end > query.offset => Some(end - query.offset),
            Some(_) => return Err(RestError::no_window()),
        };
        Ok(query)
    }

    fn json_body(&self) -> Result<()> {
        match self.content_type.as_str() {
            "application/json" => Ok(()),
            "text/csv" | "application/x-www-form-urlencoded" => Err(RestError::not_imitated("rows that are no JSON")),
            other => Err(RestError::new(400, "PGRST102", format!("Content-Type not acceptable: {other}"))),
        }
    }

    async fn run(
        &self,
        server: &Arc<Server>,
        caller: &Caller,
        catalog: &catalog::Catalog,
        statement: &Statement,
        offset: u64,
    ) -> Result<Response> {
        let of_role = catalog.role_settings.get(&caller.role).into_iter().flatten();
        let settings = [
            ("role", caller.role.as_str()),
            ("search_path", r#""public", "public", "extensions""#),
            ("request.jwt.claims", &Value::Object(caller.claims.clone()).to_string()),
            ("request.method", self.method.as_str()),
            ("request.path", &self.path),
            ("request.headers", &self.headers),
            ("request.cookies", &self.cookies),
        ];
        let settings: Vec<String> = settings
            .into_iter()
            .chain(of_role.map(|(name, value)| (name.as_str(), value.as_str())))
            .map(|(name, value)| format!("set_config({}, {}, true)", quote(name), quote(value)))
            .collect();
        let read_only = statement.read_only || matches!(self.method, Method::GET | Method::HEAD);
        let batch = format!(
            "{}; select {}; {}",
            if read_only { "begin read only" } else { server.begin() },
            settings.join(", "),
            statement.sql(self.form.singular, self.form.strip_nulls)
        );
        let transaction = Transaction {
            batch,
            anonymous: caller.role == "anon",
            one_row: self.form.singular && (statement.shape == Shape::Rows || statement.range != Range::Window),
            max_affected: statement.max_affected,
            offset,
            applied: statement.applied.join(", "),
        };
        let server = Arc::clone(server);
        // To its end even where the client is gone: as in PostgREST, who hangs up has not called anything back.
        let ran = tokio::spawn(async move { transaction.run(&server).await }).await;
        let result = ran.map_err(|e| RestError::unreachable(&e.into()))??;
        Ok(self.respond(statement, result, offset))
    }

    fn respond(&self, statement: &Statement, result: Rows, offset: u64) -> Response {
        let Rows { body, page, total, inserted, status, headers } = result;
        let windowed = statement.range == Range::Window;
        let partial = windowed && total.is_some_and(|t| offset + page < t || offset > 0);
        let success = match statement.success {
            StatusCode::OK if partial && page > 0 => StatusCode::PARTIAL_CONTENT,
            // Nothing of an upsert is new.
            StatusCode::CREATED if inserted.is_some_and(|n| n <= 0) => StatusCode::OK,
            success => success,
        };
        let range = match (statement.range, page) {
            (Range::Window, 1..) => format!("{offset}-{}", offset + page - 1),
            (Range::Changed, 1..) => format!("0-{}", page - 1),
            _ => "*".into(),
        };
        let total = total.map_or("*".into(), |t| t.to_string());
        let mut response = if statement.shape == Shape::Nothing {
            success.into_response()
        } else {
            (success, [(header::CONTENT_TYPE, self.form.content_type())], body.clone()).into_response()
        };
        let own = response.headers_mut();
        let mut set = |name: HeaderName, value: String| own.extend(HeaderValue::from_str(&value).map(|v| (name, v)));
        set(header::CONTENT_RANGE, format!("{range}/{total}"));
        if !statement.applied.is_empty() {
            set(PREFERENCE_APPLIED, statement.applied.join(", "));
        }
        if let Some(location) = statement.locates.then(|| location(&self.path, &body)).flatten() {
            set(header::LOCATION, location);
        }
        for (name, value) in headers {
            own.insert(name, value);
        }
        if let Some(status) = status {
            *response.status_mut() = status;
        }
        response
    }
}

/// Where the one row of `body`, which is its key, is to be found.
fn location(path: &str, body: &str) -> Option<String> {
    let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_str(body).ok()?;
    let [key] = &rows[..] else {
        return None;
    };
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let pairs = key.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{}=eq.{}", encode(name), encode(text)),
        other => format!("{}=eq.{other}", encode(name)),
    });
    Some(format!("{path}?{}", pairs.collect::<Vec<_>>().join("&")))
}

/// What a statement yielded.
struct Rows {
    body: String,
    page: u64,
    total: Option<u64>,
    /// Of an upsert, how many rows are new.
    inserted: Option<i64>,
    /// What the function wants of the answer.
    status: Option<StatusCode>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

struct Transaction {
    batch: String,
    anonymous: bool,
    /// Anything but one row is an error.
    one_row: bool,
    max_affected: Option<u64>,
    offset: u64,
    applied: String,
}

impl Transaction {
    async fn run(&self, server: &Server) -> Result<Rows> {
        let client = server.rest.get().await.map_err(|e| RestError::unreachable(&e.into()))?;
        let result = match client.simple_query(&self.batch).await {
            Ok(messages) => self.read(&messages),
            Err(error) => Err(self.failed(server, &error)),
        };
        // A transaction left open would hold its locks until somebody else's request takes the connection.
        let end = if result.is_ok() { "commit" } else { "rollback" };
        let ended = client.batch_execute(end).await;
        let rows = result?;
        ended.map_err(|e| self.failed(server, &e))?;
        Ok(rows)
    }

    fn read(&self, messages: &[SimpleQueryMessage]) -> Result<Rows> {
        let row = messages.iter().rev().find_map(|m| match m {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let number = |column| row.and_then(|r| r.get(column)?.parse::<u64>().ok());
        let (total, page) = (number("total"), number("page").unwrap_or(0));
        let body = row.and_then(|r| r.get("body")).unwrap_or("").to_owned();
        if self.one_row && page != 1 {
            let message = "Cannot coerce the result to a single JSON object";
            return Err(RestError::new(406, "PGRST116", message).details(format!("The result contains {page} rows")));
        }
        let offset = self.offset;
        if let Some(total) = total
            && offset > 0
            && offset >= total
        {
            let details = format!("An offset of {offset} was requested, but there are only {total} rows.");
            let message = "Requested range not satisfiable";
            return Err(RestError::new(416, "PGRST103", message)
                .details(details)
                .header(header::CONTENT_RANGE, &format!("*/{total}"))
                .header(PREFERENCE_APPLIED, &self.applied));
        }
        if self.max_affected.is_some_and(|most| page > most) {
            let message = "Query result exceeds max-affected preference constraint";
            let details = format!("The query affects {page} rows");
            return Err(RestError::new(400, "PGRST124", message).details(details));
        }
        let text = |column| row.and_then(|r| r.get(column));
        let status = text("status").map(|status| {
            let status = status.parse().ok().and_then(|s| StatusCode::from_u16(s).ok());
            status.ok_or_else(|| RestError::new(500, "PGRST112", "response.status guc must be a valid status code"))
        });
        let headers = text("headers").map(|headers| {
            answer_headers(headers).ok_or_else(|| {
                let message = "response.headers guc must be a JSON array composed of objects with a single key and a string value";
                RestError::new(500, "PGRST111", message)
            })
        });
        Ok(Rows {
            body,
            page,
            total,
            inserted: text("inserted").and_then(|n| n.parse().ok()),
            status: status.transpose()?,
            headers: headers.transpose()?.unwrap_or_default(),
        })
    }

    fn failed(&self, server: &Server, error: &tokio_postgres::Error) -> RestError {
        let Some(error) = error.as_db_error() else {
            return RestError::unreachable(&anyhow::anyhow!("{error}"));
        };
        // Undefined or ambiguous: the catalog that the statement was made from may be of yesterday.
        if error.code().code().starts_with("42") {
            server.cache.forget();
        }
        RestError::database(error, self.anonymous)
    }
}

/// `response.headers`, as a function may set it.
fn answer_headers(text: &str) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let list: Vec<std::collections::BTreeMap<String, String>> = serde_json::from_str(text).ok()?;
    let pairs = list.into_iter().map(|one| match one.into_iter().collect::<Vec<_>>().as_slice() {
        [(name, value)] => Some((name.parse().ok()?, value.parse().ok()?)),
        _ => None,
    });
    pairs.collect()
}

impl Caller {
    fn anonymous() -> Self {
        let mut claims = Claims::new();
        claims.insert("role".into(), "anon".into());
        Self { role: "anon".into(), claims }
    }
}

impl Server {
    /// The cached catalog if it has what is looked for, else a fresh one.
    async fn catalog(&self, has: impl Fn(&catalog::Catalog) -> Option<()>) -> Result<Arc<catalog::Catalog>> {
        let cached = self.cache.current();
        if has(&cached).is_some() {
            return Ok(cached);
        }
        let fresh = self.cache.reload(&self.superuser).await;
        fresh.map_err(|e| RestError::unreachable(&e))
    }
}

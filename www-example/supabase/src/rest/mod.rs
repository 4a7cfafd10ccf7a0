//! `/rest/v1`: PostgREST for one schema, `public`. Each request is one transaction as the token's role with its claims,
//! so that grants and row level security decide; bodies are made by PostgreSQL, as PostgREST has them made.

pub mod catalog;
pub mod error;
mod query;
mod statement;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio_postgres::SimpleQueryMessage;

use crate::Server;
use crate::sql::quote;
use crate::tokens::Claims;
use error::RestError;
use query::Query;
use statement::{Arguments, Shape, Statement};

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
    let request = Request::new(&server, method, format!("/{table}"), &headers);
    let answer = async {
        let (request, caller) = request?;
        let query = request.window(Query::parse(query.as_deref().unwrap_or(""), |_| false)?);
        let known = |c: &catalog::Catalog| c.tables.contains_key(&table).then_some(());
        let catalog = server.catalog(known).await?;
        let found = catalog.tables.get(&table).ok_or_else(|| {
            let message = format!("Could not find the table 'public.{table}' in the schema cache");
            RestError::new(404, "PGRST205", message)
        })?;
        let prefer = &request.prefer;
        let statement = match request.method.as_str() {
            "GET" | "HEAD" => Statement::read(&table, &query, prefer),
            "POST" => Statement::insert(&table, found, &query, prefer, &body)?,
            "PATCH" => Statement::update(&table, found, &query, prefer, &body)?,
            "DELETE" => Statement::delete(&table, &query, prefer),
            "PUT" => return Err(RestError::not_imitated("PUT; use POST with resolution")),
            other => {
                let message = format!("Unsupported HTTP method: {other}");
                return Err(RestError::new(405, "PGRST117", message));
            }
        };
        request.run(&server, &caller, &statement, query.offset).await
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
    let request = Request::new(&server, method, format!("/rpc/{function}"), &headers);
    let answer = async {
        let (request, caller) = request?;
        let by_body = match request.method.as_str() {
            "GET" | "HEAD" => false,
            "POST" => true,
            other => {
                let message = format!("Cannot use the {other} method on RPC");
                return Err(RestError::new(405, "PGRST101", message));
            }
        };
        let text = query.as_deref().unwrap_or("");
        let named = |c: &catalog::Catalog| Query::parse(text, |name| !by_body && c.is_argument(&function, name));
        let given = if by_body { Some(Arguments::parse(&body)?) } else { None };
        let argument_names = |query: &Query| -> Vec<String> {
            match &given {
                Some(given) => given.names(),
                None => query.arguments.iter().map(|(n, _)| n.clone()).collect(),
            }
        };
        let catalog = server
            .catalog(|c| {
                let names = argument_names(&named(c).ok()?);
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                (!c.function(&function, &names).is_empty()).then_some(())
            })
            .await?;
        let query = request.window(named(&catalog)?);
        let names = argument_names(&query);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = match catalog.function(&function, &names)[..] {
            [found] => found,
            [] => return Err(no_function(&function, &names)),
            _ => {
                let message = format!("Could not choose the best candidate function between: public.{function}");
                return Err(RestError::new(300, "PGRST203", message));
            }
        };
        let statement = Statement::call(&function, found, &query, &request.prefer, given.as_ref());
        request.run(&server, &caller, &statement, query.offset).await
    };
    answer.await.unwrap_or_else(RestError::into_response)
}

fn no_function(function: &str, names: &[&str]) -> RestError {
    let (message, searched) = if names.is_empty() {
        (
            format!("Could not find the function public.{function} without parameters in the schema cache"),
            format!(
                "Searched for the function public.{function} without parameters, but no matches were found in the schema cache."
            ),
        )
    } else {
        let list = names.join(", ");
        (
            format!("Could not find the function public.{function}({list}) in the schema cache"),
            format!(
                "Searched for the function public.{function} with parameters {list}, but no matches were found in the schema cache."
            ),
        )
    };
    RestError::new(404, "PGRST202", message).details(searched)
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
    pub count: bool,
    pub merge_duplicates: bool,
    pub ignore_duplicates: bool,
}

impl Prefer {
    fn parse(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let values = headers.get_all("prefer").iter();
        for word in values.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')) {
            match word.trim() {
                "return=representation" => prefer.representation = true,
                "count=exact" | "count=planned" | "count=estimated" => prefer.count = true,
                "resolution=merge-duplicates" => prefer.merge_duplicates = true,
                "resolution=ignore-duplicates" => prefer.ignore_duplicates = true,
                _ => {}
            }
        }
        prefer
    }
}

struct Request {
    method: Method,
    path: String,
    prefer: Prefer,
    /// One row as an object, or nothing.
    singular: bool,
    range: Option<(u64, Option<u64>)>,
    /// As JSON, for `request.headers`.
    headers: String,
}

impl Request {
    fn new(server: &Server, method: Method, path: String, headers: &HeaderMap) -> Result<(Self, Caller)> {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let caller = match text("authorization").map(|a| (a, a.strip_prefix("Bearer "))) {
            None => Caller::anonymous(),
            Some((_, Some(token))) => {
                let claims = server.tokens.verify(token.trim(), 30).map_err(|e| RestError::token(&e))?;
                let role = claims.get("role").and_then(Value::as_str);
                Caller { role: role.unwrap_or("anon").to_owned(), claims }
            }
            Some(_) => return Err(RestError::new(401, "PGRST301", "Empty JWT is sent in Authorization header")),
        };
        let profile = match method {
            Method::GET | Method::HEAD => text("accept-profile"),
            _ => text("content-profile"),
        };
        if let Some(schema) = profile.filter(|p| *p != "public") {
            return Err(RestError::new(406, "PGRST106", format!("Invalid schema: {schema}"))
                .hint("Only the following schemas are exposed: public"));
        }
        let accept = text("accept").unwrap_or("*/*");
        if accept.starts_with("text/csv") {
            return Err(RestError::not_imitated("answers as CSV"));
        }
        let range = text("range").and_then(|range| {
            let (from, to) = range.strip_prefix("items=").unwrap_or(range).split_once('-')?;
            Some((from.parse().ok()?, to.parse().ok()))
        });
        let header_map: serde_json::Map<String, Value> =
            headers.iter().filter_map(|(name, value)| Some((name.to_string(), json!(value.to_str().ok()?)))).collect();
        let request = Self {
            method,
            path,
            prefer: Prefer::parse(headers),
            singular: accept.starts_with("application/vnd.pgrst.object"),
            range,
            headers: Value::Object(header_map).to_string(),
        };
        Ok((request, caller))
    }

    /// The header `Range` says what `limit` and `offset` say.
    fn window(&self, mut query: Query) -> Query {
        if let Some((from, to)) = self.range {
            query.offset = query.offset.max(from);
            query.limit = query.limit.or(to.map(|to| (to + 1).saturating_sub(from)));
        }
        query
    }

    async fn run(&self, server: &Server, caller: &Caller, statement: &Statement, offset: u64) -> Result<Response> {
        let settings = [
            ("role", caller.role.as_str()),
            ("search_path", "public, extensions"),
            ("request.jwt.claims", &Value::Object(caller.claims.clone()).to_string()),
            ("request.method", self.method.as_str()),
            ("request.path", &self.path),
            ("request.headers", &self.headers),
            ("request.cookies", "{}"),
        ];
        let settings: Vec<String> = settings
            .iter()
            .map(|(name, value)| format!("set_config({}, {}, true)", quote(name), quote(value)))
            .collect();
        let read_only = statement.read_only || matches!(self.method, Method::GET | Method::HEAD);
        let batch = format!(
            "{}; select {}; {}",
            if read_only { "begin read only" } else { server.begin() },
            settings.join(", "),
            statement.sql(self.singular)
        );
        let broken = |error: anyhow::Error| RestError::unreachable(&error);
        let client = server.rest.get().await.map_err(|e| broken(e.into()))?;
        let failed = |error: tokio_postgres::Error| match error.as_db_error() {
            Some(error) => {
                // Undefined or ambiguous: the catalog that the statement was made from may be of yesterday.
                if error.code().code().starts_with("42") {
                    server.cache.forget();
                }
                RestError::database(error, caller.role == "anon")
            }
            None => RestError::unreachable(&error.into()),
        };
        // The pool rolls back what is open when it hands the connection out again.
        let messages = client.simple_query(&batch).await.map_err(failed)?;
        let row = messages.iter().rev().find_map(|m| match m {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let number = |column| row.and_then(|r| r.get(column)?.parse::<u64>().ok());
        let (total, page) = (number("total"), number("page").unwrap_or(0));
        let body = row.and_then(|r| r.get("body")).unwrap_or("").to_owned();
        if self.singular && statement.shape == Shape::Rows && page != 1 {
            let message = "Cannot coerce the result to a single JSON object";
            return Err(RestError::new(406, "PGRST116", message).details(format!("The result contains {page} rows")));
        }
        if let Some(total) = total
            && offset > 0
            && offset >= total
        {
            let details = format!("An offset of {offset} was requested, but there are only {total} rows.");
            let message = "Requested range not satisfiable";
            return Err(RestError::new(416, "PGRST103", message).details(details));
        }
        client.batch_execute("commit").await.map_err(failed)?;
        Ok(self.respond(statement, body, page, total, offset))
    }

    fn respond(&self, statement: &Statement, body: String, page: u64, total: Option<u64>, offset: u64) -> Response {
        let partial = statement.windowed && total.is_some_and(|t| offset + page < t || offset > 0);
        let status = match statement.success {
            StatusCode::OK if partial && page > 0 => StatusCode::PARTIAL_CONTENT,
            status => status,
        };
        let range = match (statement.windowed, page) {
            (true, 1..) => format!("{offset}-{}", offset + page - 1),
            _ => "*".into(),
        };
        let total = total.map_or("*".into(), |t| t.to_string());
        let mut response = if status == StatusCode::NO_CONTENT || statement.shape == Shape::Nothing {
            status.into_response()
        } else {
            let kind = if self.singular {
                "application/vnd.pgrst.object+json; charset=utf-8"
            } else {
                "application/json; charset=utf-8"
            };
            (status, [(header::CONTENT_TYPE, kind)], body).into_response()
        };
        if let Ok(value) = HeaderValue::from_str(&format!("{range}/{total}")) {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        response
    }
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

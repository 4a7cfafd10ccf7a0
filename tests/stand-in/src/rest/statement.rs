//! The one statement of a request. It yields one row: `total` (rows without the window, if asked for), `page` (rows
//! given), `body` (their JSON, made by PostgreSQL so that its text forms are PostgREST's), and what was set meanwhile:
//! `inserted` (how many rows of an upsert are new), `status` and `headers` (by the function that was called).

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::Prefer;
use super::catalog::{Function, Returns, Table};
use super::error::RestError;
use super::query::Query;
use crate::sql::{identifier, quote};

/// The name under which a function's rows are known.
pub const CALL: &str = "pgrst_call";

type Result<T> = std::result::Result<T, RestError>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An array of objects, or one object where the client wants exactly one.
    Rows,
    /// One object.
    Row,
    /// A bare value.
    Scalar,
    /// An array of bare values.
    Scalars,
    /// No body.
    Nothing,
}

/// Which rows the `Content-Range` of an answer tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// A part of a greater whole.
    Window,
    /// Those that were changed.
    Changed,
    /// None: rows are new, or gone.
    Nothing,
}

#[derive(Debug)]
pub struct Statement {
    with: String,
    source: String,
    total: Option<String>,
    pub shape: Shape,
    pub success: StatusCode,
    pub read_only: bool,
    pub range: Range,
    /// A row that is inserted has its address in `Location`: the body holds its key.
    pub locates: bool,
    /// The answer's `Preference-Applied`.
    pub applied: Vec<String>,
    /// More changed rows than this are an error.
    pub max_affected: Option<u64>,
}

impl Statement {
    pub fn read(table: &str, query: &Query, prefer: &Prefer) -> Self {
        let from = format!("from \"public\".{}{}", identifier(table), query.conditions());
        Self {
            with: String::new(),
            source: format!("select {} {from}{}", query.selected(), query.window()),
            total: prefer.count.then(|| format!("select count(*) {from}")),
            shape: Shape::Rows,
            success: StatusCode::OK,
            read_only: true,
            range: Range::Window,
            locates: false,
            applied: prefer.count_word.iter().map(Clone::clone).collect(),
            max_affected: None,
        }
    }

    pub fn insert(table: &str, found: &Table, query: &Query, prefer: &Prefer, body: &[u8]) -> Result<Self> {
        let text = text(body)?;
        let (rows, json) = match parse(body)? {
            Value::Array(rows) => (rows, text.to_owned()),
            row @ Value::Object(_) => (vec![row], format!("[{text}]")),
            // PostgREST takes anything else for no row at all.
            _ => (Vec::new(), "[]".into()),
        };
        if prefer.missing_default {
            return Err(RestError::not_imitated("Prefer: missing=default (defaultToNull: false)"));
        }
        let columns = match &query.columns {
            Some(columns) => columns.clone(),
            None => common_keys(&rows)?,
        };
        let name = format!("\"public\".{}", identifier(table));
        let values = if rows.is_empty() {
            "select where false".to_owned()
        } else if columns.is_empty() {
            "default values".to_owned()
        } else {
            let (list, record) = typed(table, found, &columns)?;
            let json = quote(&json);
            // Counts each row up, and an update of one that is there down again.
            let counted =
                if prefer.merge_duplicates { format!(" where {} <> '-1'", count_inserted(1)) } else { String::new() };
            format!("({list}) select {list} from json_to_recordset({json}::json) as _({record}){counted}")
        };
        let conflict = conflict(found, query, prefer, &columns);
        let mut statement = Self::write(prefer, StatusCode::CREATED, Range::Nothing);
        if (prefer.merge_duplicates || prefer.ignore_duplicates)
            && (query.on_conflict.is_some() || !found.key.is_empty())
        {
            let word = if prefer.merge_duplicates { "merge" } else { "ignore" };
            statement.applied.insert(0, format!("resolution={word}-duplicates"));
        }
        if prefer.headers_only && !found.key.is_empty() {
            statement.locates = true;
        }
        statement.source = if rows.is_empty() {
            format!("select {} from {name} where false", query.selected())
        } else {
            let key: Vec<String> = found.key.iter().map(|c| identifier(c)).collect();
            let returning =
                if statement.locates { format!(" returning {}", key.join(", ")) } else { returning(query, prefer) };
            format!("insert into {name} {values}{conflict}{returning}")
        };
        if !prefer.representation {
            statement.success = StatusCode::CREATED;
        }
        Ok(statement)
    }

    pub fn update(table: &str, found: &Table, query: &Query, prefer: &Prefer, body: &[u8]) -> Result<Self> {
        let (changes, text) = match parse(body)? {
            Value::Object(changes) => (changes, text(body)?.to_owned()),
            Value::Array(rows) => match rows.into_iter().next() {
                Some(Value::Object(first)) => (first.clone(), Value::Object(first).to_string()),
                _ => return Err(bad_body()),
            },
            _ => return Err(bad_body()),
        };
        let name = format!("\"public\".{}", identifier(table));
        let columns: Vec<String> = changes.keys().cloned().collect();
        let (_, record) = typed(table, found, &columns)?;
        let mut statement = Self::write(prefer, StatusCode::OK, Range::Changed);
        statement.source = if columns.is_empty() {
            format!("select {} from {name} where false", query.selected())
        } else {
            statement.with =
                format!("pgrst_changes as (select * from json_to_record({}::json) as _({record})), ", quote(&text));
            let sets: Vec<String> = columns
                .iter()
                .map(|c| identifier(c))
                .map(|c| format!("{c} = (select {c} from pgrst_changes)"))
                .collect();
            format!("update {name} set {}{}{}", sets.join(", "), query.conditions(), returning(query, prefer))
        };
        Ok(statement)
    }

    pub fn delete(table: &str, query: &Query, prefer: &Prefer) -> Self {
        let mut statement = Self::write(prefer, StatusCode::OK, Range::Nothing);
        statement.source =
            format!("delete from \"public\".{}{}{}", identifier(table), query.conditions(), returning(query, prefer));
        statement
    }

    /// A function with its arguments by name.
    pub fn call(name: &str, function: &Function, query: &Query, prefer: &Prefer, given: &Arguments) -> Self {
        let used: Vec<&(String, String, bool)> =
            function.arguments.iter().filter(|(name, ..)| given.0.contains_key(name)).collect();
        let mut with = String::new();
        if !used.is_empty() {
            let record: Vec<String> =
                used.iter().map(|(name, kind, _)| format!("{} {kind}", identifier(name))).collect();
            with = format!(
                "pgrst_args as (select * from json_to_record({}::json) as _({})), ",
                quote(&given.1),
                record.join(", ")
            );
        }
        let arguments: Vec<String> = used
            .iter()
            .map(|(name, ..)| identifier(name))
            .map(|column| format!("{column} := (select {column} from pgrst_args)"))
            .collect();
        let call = format!("\"public\".{}({})", identifier(name), arguments.join(", "));
        let (source, shape) = match (&function.returns, function.set) {
            (Returns::Void, _) => (format!("select {call} as pgrst_scalar"), Shape::Nothing),
            (Returns::Scalar, false) => (format!("select {call} as pgrst_scalar"), Shape::Scalar),
            (Returns::Scalar, true) => (format!("select {call} as pgrst_scalar{}", query.window()), Shape::Scalars),
            (Returns::Row, set) => (
                format!("select {} from {call} {CALL}{}{}", query.selected(), query.conditions(), query.window()),
                if set { Shape::Rows } else { Shape::Row },
            ),
        };
        let total =
            (prefer.count && function.set).then(|| format!("select count(*) from {call} {CALL}{}", query.conditions()));
        Self {
            with,
            source,
            total,
            shape,
            success: match shape {
                Shape::Nothing => StatusCode::NO_CONTENT,
                _ => StatusCode::OK,
            },
            read_only: !function.volatile,
            range: Range::Window,
            locates: false,
            applied: prefer.count_word.iter().map(Clone::clone).collect(),
            max_affected: None,
        }
    }

    fn write(prefer: &Prefer, success: StatusCode, range: Range) -> Self {
        Self {
            with: String::new(),
            source: String::new(),
            total: prefer.count.then(|| "select count(*) from pgrst_source".into()),
            shape: if prefer.representation { Shape::Rows } else { Shape::Nothing },
            success: if prefer.representation { success } else { StatusCode::NO_CONTENT },
            read_only: false,
            range,
            locates: false,
            applied: prefer.return_word.iter().chain(&prefer.count_word).map(Clone::clone).collect(),
            max_affected: prefer.max_affected.filter(|_| success == StatusCode::OK),
        }
    }

    pub fn sql(&self, singular: bool, strip_nulls: bool) -> String {
        let rows = if strip_nulls { "json_strip_nulls(json_agg(_t))" } else { "json_agg(_t)" };
        let body = match self.shape {
            Shape::Nothing if self.locates => "coalesce(json_agg(_t), '[]')".into(),

            Shape::Rows if singular => format!("coalesce({rows} -> 0, 'null')"),
            Shape::Rows => format!("coalesce({rows}, '[]')"),
            Shape::Row => format!("coalesce({rows} -> 0, 'null')"),
            Shape::Scalar => "coalesce(json_agg(_t.pgrst_scalar) -> 0, 'null')".into(),
            Shape::Scalars => "coalesce(json_agg(_t.pgrst_scalar), '[]')".into(),
            Shape::Nothing => "''".to_owned(),
        };
        format!(
            "with {}pgrst_source as ({}) select ({}) as total, count(*) as page, ({body})::text as body,
               nullif(current_setting('pgrst.inserted', true), '') as inserted,
               nullif(current_setting('response.status', true), '') as status,
               nullif(current_setting('response.headers', true), '') as headers
             from pgrst_source _t",
            self.with,
            self.source,
            self.total.as_deref().unwrap_or("null"),
        )
    }
}

fn returning(query: &Query, prefer: &Prefer) -> String {
    if prefer.representation { format!(" returning {}", query.selected()) } else { " returning 1".into() }
}

/// How PostgREST tells whether an upsert made a row: an expression that moves a count.
fn count_inserted(by: i8) -> String {
    format!(
        "set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true), '')::int, 0) + {by})::text, true)"
    )
}

fn conflict(found: &Table, query: &Query, prefer: &Prefer, columns: &[String]) -> String {
    if !prefer.merge_duplicates && !prefer.ignore_duplicates {
        return String::new();
    }
    let target = query.on_conflict.as_ref().unwrap_or(&found.key);
    if target.is_empty() {
        return String::new();
    }
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|c| identifier(c)).collect();
        names.join(", ")
    };
    let action = if prefer.ignore_duplicates || columns.is_empty() {
        "nothing".to_owned()
    } else {
        let sets: Vec<String> = columns.iter().map(|c| identifier(c)).map(|c| format!("{c} = excluded.{c}")).collect();
        format!("update set {} where {} <> '-1'", sets.join(", "), count_inserted(-1))
    };
    format!(" on conflict ({}) do {action}", list(target))
}

/// The columns as a list and as a record definition.
fn typed(table: &str, found: &Table, columns: &[String]) -> Result<(String, String)> {
    let mut record = Vec::new();
    for column in columns {
        let (_, kind) = found.columns.iter().find(|(name, _)| name == column).ok_or_else(|| {
            let message = format!("Could not find the '{column}' column of '{table}' in the schema cache");
            RestError::new(400, "PGRST204", message)
        })?;
        record.push(format!("{} {kind}", identifier(column)));
    }
    let list: Vec<String> = columns.iter().map(|c| identifier(c)).collect();
    Ok((list.join(", "), record.join(", ")))
}

fn common_keys(rows: &[Value]) -> Result<Vec<String>> {
    let unequal = || RestError::new(400, "PGRST102", "All object keys must match");
    let keys = |row: &Value| -> Result<BTreeSet<String>> {
        Ok(row.as_object().ok_or_else(unequal)?.keys().cloned().collect())
    };
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let first = keys(first)?;
    for row in rows {
        if keys(row)? != first {
            return Err(unequal());
        }
    }
    Ok(first.into_iter().collect())
}

fn parse(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).map_err(|_| bad_body())
}

fn text(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body).map_err(|_| bad_body())
}

/// The arguments of a function as a JSON object, and their own text: PostgreSQL reads that, so that no number changes
/// on the way.
pub struct Arguments(Map<String, Value>, String);

impl Arguments {
    /// No body is no arguments, and neither is anything but an object or an array with one.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let none = || Self(Map::new(), "{}".into());
        if body.is_empty() {
            return Ok(none());
        }
        Ok(match parse(body)? {
            Value::Object(object) => Self(object, text(body)?.to_owned()),
            Value::Array(rows) => match rows.into_iter().next() {
                Some(Value::Object(first)) => Self::of(first),
                _ => none(),
            },
            _ => none(),
        })
    }

    /// From a query string or a form: values are text.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::of(pairs.into_iter().map(|(name, value)| (name, value.into())).collect())
    }

    fn of(object: Map<String, Value>) -> Self {
        let text = Value::Object(object.clone()).to_string();
        Self(object, text)
    }

    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

fn bad_body() -> RestError {
    RestError::new(400, "PGRST102", "Empty or invalid json")
}

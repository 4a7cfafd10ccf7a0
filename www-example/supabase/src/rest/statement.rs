//! The one statement of a request. It yields one row: `total` (rows without the window, if asked for), `page` (rows
//! given) and `body` (their JSON, made by PostgreSQL so that its text forms are PostgREST's).

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::Prefer;
use super::catalog::{Function, Returns, Table};
use super::error::RestError;
use super::query::Query;
use crate::sql::{identifier, quote};

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

#[derive(Debug)]
pub struct Statement {
    with: String,
    source: String,
    total: Option<String>,
    pub shape: Shape,
    pub success: StatusCode,
    pub read_only: bool,
    /// Whether its rows are a part of a greater whole, so that a range says which.
    pub windowed: bool,
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
            windowed: true,
        }
    }

    pub fn insert(table: &str, found: &Table, query: &Query, prefer: &Prefer, body: &[u8]) -> Result<Self> {
        let text = text(body)?;
        let (rows, json) = match parse(body)? {
            Value::Array(rows) => (rows, text.to_owned()),
            row @ Value::Object(_) => (vec![row], format!("[{text}]")),
            _ => return Err(bad_body()),
        };
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
            format!("({list}) select {list} from json_to_recordset({json}::json) as _({record})")
        };
        let conflict = conflict(found, query, prefer, &columns);
        let mut statement = Self::write(prefer, StatusCode::CREATED);
        statement.source = if rows.is_empty() {
            format!("select {} from {name} where false", query.selected())
        } else {
            format!("insert into {name} {values}{conflict}{}", returning(query, prefer))
        };
        if !prefer.representation {
            statement.success = StatusCode::CREATED;
        }
        Ok(statement)
    }

    pub fn update(table: &str, found: &Table, query: &Query, prefer: &Prefer, body: &[u8]) -> Result<Self> {
        let Value::Object(changes) = parse(body)? else {
            return Err(bad_body());
        };
        let name = format!("\"public\".{}", identifier(table));
        let columns: Vec<String> = changes.keys().cloned().collect();
        let (_, record) = typed(table, found, &columns)?;
        let mut statement = Self::write(prefer, StatusCode::OK);
        statement.source = if columns.is_empty() {
            format!("select {} from {name} where false", query.selected())
        } else {
            statement.with = format!(
                "pgrst_changes as (select * from json_to_record({}::json) as _({record})), ",
                quote(text(body)?)
            );
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
        let mut statement = Self::write(prefer, StatusCode::OK);
        statement.source =
            format!("delete from \"public\".{}{}{}", identifier(table), query.conditions(), returning(query, prefer));
        statement
    }

    /// A function with its arguments by name: from a JSON object, or else from the query string.
    pub fn call(name: &str, function: &Function, query: &Query, prefer: &Prefer, body: Option<&Arguments>) -> Self {
        let given = |wanted: &str| match body {
            Some(Arguments(object, _)) => object.contains_key(wanted),
            None => query.arguments.iter().any(|(name, _)| name == wanted),
        };
        let used: Vec<&(String, String, bool)> = function.arguments.iter().filter(|(name, ..)| given(name)).collect();
        let mut with = String::new();
        if let Some(Arguments(_, text)) = body
            && !used.is_empty()
        {
            let record: Vec<String> =
                used.iter().map(|(name, kind, _)| format!("{} {kind}", identifier(name))).collect();
            with = format!(
                "pgrst_args as (select * from json_to_record({}::json) as _({})), ",
                quote(text),
                record.join(", ")
            );
        }
        let arguments: Vec<String> = used
            .iter()
            .map(|(name, kind, _)| {
                let column = identifier(name);
                match body {
                    Some(_) => format!("{column} := (select {column} from pgrst_args)"),
                    None => {
                        let last = query.arguments.iter().rev().find(|(n, _)| n == name);
                        let value = last.map_or("", |(_, value)| value);
                        format!("{column} := {}::{kind}", quote(value))
                    }
                }
            })
            .collect();
        let call = format!("\"public\".{}({})", identifier(name), arguments.join(", "));
        let (source, shape) = match (&function.returns, function.set) {
            (Returns::Void, _) => (format!("select {call} as pgrst_scalar"), Shape::Nothing),
            (Returns::Scalar, false) => (format!("select {call} as pgrst_scalar"), Shape::Scalar),
            (Returns::Scalar, true) => (format!("select {call} as pgrst_scalar{}", query.window()), Shape::Scalars),
            (Returns::Row, set) => (
                format!("select {} from {call}{}{}", query.selected(), query.conditions(), query.window()),
                if set { Shape::Rows } else { Shape::Row },
            ),
        };
        let total =
            (prefer.count && function.set).then(|| format!("select count(*) from {call}{}", query.conditions()));
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
            windowed: true,
        }
    }

    fn write(prefer: &Prefer, success: StatusCode) -> Self {
        Self {
            with: String::new(),
            source: String::new(),
            total: prefer.count.then(|| "select count(*) from pgrst_source".into()),
            shape: if prefer.representation { Shape::Rows } else { Shape::Nothing },
            success: if prefer.representation { success } else { StatusCode::NO_CONTENT },
            read_only: false,
            windowed: false,
        }
    }

    pub fn sql(&self, singular: bool) -> String {
        let body = match self.shape {
            Shape::Rows if singular => "coalesce(json_agg(_t) -> 0, 'null')",
            Shape::Rows => "coalesce(json_agg(_t), '[]')",
            Shape::Row => "coalesce(json_agg(_t) -> 0, 'null')",
            Shape::Scalar => "coalesce(json_agg(_t.pgrst_scalar) -> 0, 'null')",
            Shape::Scalars => "coalesce(json_agg(_t.pgrst_scalar), '[]')",
            Shape::Nothing => "''",
        };
        format!(
            "with {}pgrst_source as ({}) select ({}) as total, count(*) as page, ({body})::text as body from pgrst_source _t",
            self.with,
            self.source,
            self.total.as_deref().unwrap_or("null"),
        )
    }
}

fn returning(query: &Query, prefer: &Prefer) -> String {
    if prefer.representation { format!(" returning {}", query.selected()) } else { " returning 1".into() }
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
        format!("update set {}", sets.join(", "))
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
    let keys = |row: &Value| -> Result<BTreeSet<String>> {
        let object = row.as_object().ok_or_else(bad_body)?;
        Ok(object.keys().cloned().collect())
    };
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let first = keys(first)?;
    for row in rows {
        if keys(row)? != first {
            return Err(RestError::new(400, "PGRST102", "All object keys must match"));
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
    /// No body is no arguments.
    pub fn parse(body: &[u8]) -> Result<Self> {
        if body.is_empty() {
            return Ok(Self(Map::new(), "{}".into()));
        }
        match parse(body)? {
            Value::Object(object) => Ok(Self(object, text(body)?.to_owned())),
            _ => Err(bad_body()),
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

fn bad_body() -> RestError {
    RestError::new(400, "PGRST102", "Empty or invalid json")
}

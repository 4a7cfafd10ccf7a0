//! The query string of a REST request: columns, filters, order and window (protocol.md 4.2), and the SQL they mean.

use percent_encoding::percent_decode_str;

use super::error::RestError;
use crate::sql::{has_nul, identifier, quote};

/// A project returns no more rows than this at once, and says nothing about it.
pub const MAX_ROWS: u64 = 1000;

type Result<T> = std::result::Result<T, RestError>;

#[derive(Debug, Default, PartialEq)]
pub struct Query {
    /// SQL of the select list; empty stands for all columns.
    pub select: Vec<String>,
    /// SQL of the conditions, joined by `and`.
    pub filters: Vec<String>,
    pub order: Vec<String>,
    pub limit: Option<u64>,
    pub offset: u64,
    pub on_conflict: Option<Vec<String>>,
    pub columns: Option<Vec<String>>,
    /// What is none of the above: arguments of a function.
    pub arguments: Vec<(String, String)>,
}

impl Query {
    /// `source` is the name under which the statement knows the rows; `is_argument` tells the arguments of a function
    /// called by GET from filters on what it returns.
    pub fn parse(source: &str, query: &str, is_argument: impl Fn(&str, &str) -> bool) -> Result<Self> {
        let source = Source(source);
        let mut parsed = Self::default();
        for (name, value) in pairs(query)? {
            match name.as_str() {
                "apikey" => {}
                name if is_argument(name, &value) => parsed.arguments.push((name.to_owned(), value)),
                "select" => parsed.select = source.select(&value)?,
                "order" => parsed.order = source.order(&value)?,
                // What is no number is as good as absent; only a limit below 0 is a mistake.
                "limit" => match value.parse::<i64>() {
                    Ok(limit) => parsed.limit = Some(u64::try_from(limit).map_err(|_| RestError::no_window())?),
                    Err(_) => parsed.limit = None,
                },
                "offset" => parsed.offset = value.parse().unwrap_or(0),
                "on_conflict" => parsed.on_conflict = Some(names(&value)),
                "columns" => parsed.columns = Some(names(&value)),
                "and" | "or" | "not.and" | "not.or" => {
                    parsed.filters.push(source.logic(&name, &value)?);
                }
                column => parsed.filters.push(source.filter(column, &value)?),
            }
        }
        Ok(parsed)
    }

    pub fn selected(&self) -> String {
        if self.select.is_empty() { "*".into() } else { self.select.join(", ") }
    }

    /// ` where …`, or nothing.
    pub fn conditions(&self) -> String {
        if self.filters.is_empty() { String::new() } else { format!(" where {}", self.filters.join(" and ")) }
    }

    /// ` order by … limit … offset …`.
    pub fn window(&self) -> String {
        let order = if self.order.is_empty() { String::new() } else { format!(" order by {}", self.order.join(", ")) };
        let limit = self.limit.unwrap_or(MAX_ROWS).min(MAX_ROWS);
        format!("{order} limit {limit} offset {}", self.offset)
    }
}

/// The pairs of a query string or of a form.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let pair = |pair: &str| -> Result<(String, String)> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    };
    text.split('&').filter(|p| !p.is_empty()).map(pair).collect()
}

/// In a query string a plus is a space.
fn decode(text: &str) -> Result<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    match decoded {
        Ok(decoded) if !has_nul(&decoded) => Ok(decoded.into_owned()),
        Ok(_) => Err(RestError::new(400, "22021", "invalid byte sequence for encoding \"UTF8\": 0x00")),
        Err(_) => Err(unparsable("query", text, "valid UTF-8")),
    }
}

fn unparsable(what: &str, text: &str, expected: &str) -> RestError {
    let message = format!("\"failed to parse {what} ({text})\" (line 1, column 1)");
    RestError::new(400, "PGRST100", message).details(format!("expecting {expected}"))
}

fn names(list: &str) -> Vec<String> {
    let name = |n: &str| n.trim().trim_matches('"').to_owned();
    list.split(',').map(name).filter(|n| !n.is_empty()).collect()
}

/// Splits at commas that are neither inside quotes nor inside parentheses.
fn split(list: &str) -> Result<Vec<&str>> {
    let (mut depth, mut quoted, mut escaped, mut start) = (0_u32, false, false, 0);
    let mut parts = Vec::new();
    for (at, c) in list.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => {
                depth = depth.checked_sub(1).ok_or_else(|| unparsable("list", list, "balanced parentheses"))?;
            }
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted || depth > 0 {
        return Err(unparsable("list", list, "a closing quote or parenthesis"));
    }
    parts.push(&list[start..]);
    Ok(parts)
}

/// The name under which a statement knows its rows.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

impl Source<'_> {
    fn name(self, column: &str) -> String {
        if column == "*" { self.all() } else { format!("{}.{}", identifier(self.0), identifier(column)) }
    }

    fn all(self) -> String {
        format!("{}.*", identifier(self.0))
    }

    fn select(self, list: &str) -> Result<Vec<String>> {
        let mut items = Vec::new();
        for item in split(list)? {
            let item = item.trim();
            if item.is_empty() && !list.is_empty() {
                return Err(unparsable("select parameter", list, "field name"));
            }
            if item.contains('(') {
                return Err(RestError::not_imitated("embedded resources and aggregates in `select`"));
            }
            match item {
                "" => {}
                "*" => items.push(self.all()),
                item => items.push(self.select_item(item)),
            }
        }
        Ok(items)
    }

    /// `alias:column->path::type`.
    fn select_item(self, item: &str) -> String {
        let (path, cast) = match item.split_once("::") {
            Some((path, cast)) => (path, Some(cast)),
            None => (item, None),
        };
        let (alias, path) = match path.split_once(':') {
            Some((alias, path)) => (Some(alias), path),
            None => (None, path),
        };
        let last = path.rsplit('>').next().unwrap_or(path);
        let name = alias.or((last != path).then_some(last));
        let mut sql = self.column(path);
        if let Some(cast) = cast {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_ []".contains(c);
            let cast = cast.trim();
            let kind = if cast.chars().all(plain) { cast.to_owned() } else { identifier(cast) };
            sql = format!("cast({sql} as {kind})");
        }
        match (name, cast) {
            (Some(name), _) => format!("{sql} as {}", identifier(name.trim())),
            (None, Some(_)) => format!("{sql} as {}", identifier(path.trim())),
            (None, None) => sql,
        }
    }

    /// A column, or a path into one: `data->a->>b`.
    fn column(self, path: &str) -> String {
        let Some((name, mut rest)) = path.find("->").map(|at| path.split_at(at)) else {
            return self.name(path.trim().trim_matches('"'));
        };
        let mut sql = format!("to_jsonb({})", self.name(name.trim()));
        while !rest.is_empty() {
            let (arrow, tail) = match rest.strip_prefix("->>") {
                Some(tail) => ("->>", tail),
                None => ("->", rest.strip_prefix("->").unwrap_or(rest)),
            };
            let (key, more) = tail.find("->").map_or((tail, ""), |at| tail.split_at(at));
            let key = match key.parse::<i32>() {
                Ok(index) => index.to_string(),
                Err(_) => quote(key),
            };
            sql = format!("({sql}{arrow}{key})");
            rest = more;
        }
        sql
    }

    fn order(self, list: &str) -> Result<Vec<String>> {
        let mut terms = Vec::new();
        for term in split(list)? {
            let mut words = term.trim().split('.');
            let mut sql = self.column(words.next().unwrap_or(""));
            for word in words {
                sql.push_str(match word {
                    "asc" => " asc",
                    "desc" => " desc",
                    "nullsfirst" => " nulls first",
                    "nullslast" => " nulls last",
                    _ => {
                        let expected = "asc, desc, nullsfirst or nullslast";
                        return Err(unparsable("order", list, expected));
                    }
                });
            }
            terms.push(sql);
        }
        Ok(terms)
    }

    /// `and=(…)`, `or=(…)` and their negations.
    fn logic(self, name: &str, value: &str) -> Result<String> {
        let (negated, operator) = match name.strip_prefix("not.") {
            Some(operator) => (true, operator),
            None => (false, name),
        };
        let inside = value
            .trim()
            .strip_prefix('(')
            .and_then(|v| v.strip_suffix(')'))
            .ok_or_else(|| unparsable("logic tree", value, "a list in parentheses"))?;
        let mut conditions = Vec::new();
        for part in split(inside)? {
            conditions.push(self.branch(part.trim())?);
        }
        let joined = conditions.join(&format!(" {operator} "));
        Ok(format!("{}({joined})", if negated { "not " } else { "" }))
    }

    fn branch(self, part: &str) -> Result<String> {
        for name in ["not.and", "not.or", "and", "or"] {
            if let Some(list) = part.strip_prefix(name)
                && list.starts_with('(')
            {
                return self.logic(name, list);
            }
        }
        let (name, rest) =
            part.split_once('.').ok_or_else(|| unparsable("logic tree", part, "column.operator.value"))?;
        self.condition(name, rest, true).ok_or_else(|| bad_filter(rest))
    }

    fn filter(self, column: &str, value: &str) -> Result<String> {
        self.condition(column, value, false).ok_or_else(|| bad_filter(value))
    }

    /// Inside a logic tree a value may be quoted; elsewhere quotes are part of it.
    fn condition(self, name: &str, rest: &str, in_tree: bool) -> Option<String> {
        let (negated, rest) = match rest.strip_prefix("not.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (operator, value) = rest.split_once('.')?;
        if let Some((operator, quantifier @ ("any" | "all"))) =
            operator.strip_suffix(')').and_then(|o| o.split_once('('))
        {
            let operator = quantifiable(operator)?;
            let value = if operator.ends_with("like") { value.replace('*', "%") } else { value.to_owned() };
            let sql = format!("{column} {operator} {quantifier} ({})", quote(&value), column = self.column(name));
            return Some(if negated { format!("not ({sql})") } else { sql });
        }
        let value = if in_tree && operator != "in" { unquote(value) } else { value.to_owned() };
        let column = self.column(name);
        let wildcards = || quote(&value.replace('*', "%"));
        let sql = match operator {
            "eq" => format!("{column} = {}", quote(&value)),
            "neq" => format!("{column} <> {}", quote(&value)),
            "gt" => format!("{column} > {}", quote(&value)),
            "gte" => format!("{column} >= {}", quote(&value)),
            "lt" => format!("{column} < {}", quote(&value)),
            "lte" => format!("{column} <= {}", quote(&value)),
            "like" => format!("{column} like {}", wildcards()),
            "ilike" => format!("{column} ilike {}", wildcards()),
            "match" => format!("{column} ~ {}", quote(&value)),
            "imatch" => format!("{column} ~* {}", quote(&value)),
            "isdistinct" => format!("{column} is distinct from {}", quote(&value)),
            "cs" => format!("{column} @> {}", quote(&value)),
            "cd" => format!("{column} <@ {}", quote(&value)),
            "ov" => format!("{column} && {}", quote(&value)),
            "is" => {
                let what = match value.to_ascii_lowercase().as_str() {
                    "null" => "null",
                    "not_null" => "not null",
                    "true" => "true",
                    "false" => "false",
                    "unknown" => "unknown",
                    _ => return None,
                };
                format!("{column} is {what}")
            }
            "in" => {
                let inside = value.trim().strip_prefix('(')?.strip_suffix(')')?;
                if inside.is_empty() {
                    return Some(if negated { "true" } else { "false" }.into());
                }
                let values: Vec<String> = elements(inside).iter().map(|v| quote(v)).collect();
                format!("{column} in ({})", values.join(", "))
            }
            _ => return None,
        };
        Some(if negated { format!("not ({sql})") } else { sql })
    }
}

fn bad_filter(value: &str) -> RestError {
    let expected = "\"not\" or operator (eq, gt, ...)";
    unparsable("filter", value, expected)
}

/// Whether a pair of the query string has a meaning of its own or is a filter by its look: else it is an argument of the
/// function, known or not.
pub fn is_reserved(name: &str, value: &str) -> bool {
    let words = ["select", "order", "limit", "offset", "on_conflict", "columns", "and", "or", "not.and", "not.or"];
    words.contains(&name) || Source("").condition("", value, false).is_some()
}

fn quantifiable(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "eq" => "=",
        "gt" => ">",
        "gte" => ">=",
        "lt" => "<",
        "lte" => "<=",
        "like" => "like",
        "ilike" => "ilike",
        "match" => "~",
        "imatch" => "~*",
        _ => return None,
    })
}

/// The values of `in.(…)`. One that begins with a quote ends with the next, if a comma or the end follows; otherwise its
/// quotes are part of it, and it ends at a comma.
fn elements(list: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = list;
    loop {
        let (value, after) = match quoted(rest) {
            Some((value, after)) if after.is_empty() || after.starts_with(',') => (value, after),
            _ => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        values.push(value);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return values,
        }
    }
}

/// A quoted value at the beginning, without its quotes and escapes, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut plain = String::new();
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => plain.push(characters.next()?.1),
            '"' => return Some((plain, &text[at + 2..])),
            c => plain.push(c),
        }
    }
    None
}

/// `"a\"b"` means `a"b`; anything unquoted is itself.
fn unquote(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut plain = String::with_capacity(inside.len());
    let mut escaped = false;
    for c in inside.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            plain.push(c);
            escaped = false;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Query {
        Query::parse("t", query, |_, _| false).unwrap()
    }

    #[test]
    fn the_reads_of_a_chat() {
        let query = parse(
            "select=id,body&thread_id=eq.a__b&created_at=lt.2026-08-21T10:00:00.1%2B00:00&order=seq.desc,id.desc&limit=50",
        );
        assert_eq!(query.selected(), r#""t"."id", "t"."body""#);
        assert_eq!(
            query.conditions(),
            r#" where "t"."thread_id" = 'a__b' and "t"."created_at" < '2026-08-21T10:00:00.1+00:00'"#
        );
        assert_eq!(query.window(), r#" order by "t"."seq" desc, "t"."id" desc limit 50 offset 0"#);
        assert_eq!(parse("").window(), " limit 1000 offset 0");
    }

    #[test]
    fn a_keyset_tree_with_quotes() {
        let query =
            parse(r#"or=(created_at.lt."2026-01-01T00:00:00.5Z",and(created_at.eq."a,\"b)",id.not.in.(1,"x,y")))"#);
        assert_eq!(
            query.filters,
            [
                r#"("t"."created_at" < '2026-01-01T00:00:00.5Z' or ("t"."created_at" = 'a,"b)' and not ("t"."id" in ('1', 'x,y'))))"#
            ]
        );
    }

    #[test]
    fn plain_values_are_verbatim_and_plus_is_a_space() {
        assert_eq!(parse("a=eq.\"x\"+y.z,(").filters, [r#""t"."a" = '"x" y.z,('"#]);
        assert_eq!(parse("a=eq.o'k").filters, ["\"t\".\"a\" = 'o''k'"]);
        assert_eq!(parse("a=like.*x*").filters, ["\"t\".\"a\" like '%x%'"]);
        assert_eq!(parse("a=is.null&b=not.is.null").filters.len(), 2);
        assert_eq!(parse("a=in.()").filters, ["false"]);
    }

    #[test]
    fn aliases_casts_and_paths() {
        assert_eq!(
            parse("select=*,n:body,seq::text,data->a->>b").selected(),
            r#""t".*, "t"."body" as "n", cast("t"."seq" as text) as "seq", ((to_jsonb("t"."data")->'a')->>'b') as "b""#
        );
    }

    #[test]
    fn nonsense_is_refused_with_postgrests_code() {
        for query in ["a=5", "a=foo.5", "order=a.up", "or=a.eq.1", "or=(a.eq.1", "a=is.five", "select=a,,b"] {
            let error = Query::parse("t", query, |_, _| false).unwrap_err();
            assert_eq!((error.code.as_str(), error.status.as_u16()), ("PGRST100", 400), "{query}");
        }
        assert_eq!(Query::parse("t", "limit=-1", |_, _| false).unwrap_err().status.as_u16(), 416);
        assert_eq!((parse("limit=x").limit, parse("offset=-1").offset), (None, 0));
        let embed = Query::parse("t", "select=a,b(*)", |_, _| false).unwrap_err();
        assert_eq!(embed.status.as_u16(), 501);
        assert!(Query::parse("t", "a=eq.%00", |_, _| false).is_err());
    }
}

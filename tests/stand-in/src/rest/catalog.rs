//! What `public` holds: PostgREST's schema cache. Read again when a name is not found, and after an error that a stale
//! entry can cause; so it needs no `notify pgrst`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use deadpool_postgres::Pool;

#[derive(Debug, Clone)]
pub struct Table {
    /// Name and type, in order.
    pub columns: Vec<(String, String)>,
    pub key: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returns {
    Void,
    Scalar,
    Row,
}

#[derive(Debug, Clone)]
pub struct Function {
    /// Name, type and whether it has to be given.
    pub arguments: Vec<(String, String, bool)>,
    pub returns: Returns,
    pub set: bool,
    pub volatile: bool,
}

impl Function {
    fn takes(&self, names: &[&str]) -> bool {
        let known = |name: &&str| self.arguments.iter().any(|(n, ..)| n == name);
        names.iter().all(known)
            && self.arguments.iter().all(|(name, _, required)| !required || names.contains(&name.as_str()))
    }
}

#[derive(Debug, Default)]
pub struct Catalog {
    pub tables: HashMap<String, Table>,
    /// What `alter role … set` says, such as `statement_timeout`: it holds for a transaction as that role.
    pub role_settings: HashMap<String, Vec<(String, String)>>,
    functions: HashMap<String, Vec<Function>>,
}

impl Catalog {
    pub fn function(&self, name: &str, arguments: &[&str]) -> Vec<&Function> {
        self.named(name).iter().filter(|f| f.takes(arguments)).collect()
    }

    /// Whether any function of this name takes an argument of that name.
    pub fn is_argument(&self, function: &str, argument: &str) -> bool {
        self.named(function).iter().flat_map(|f| &f.arguments).any(|(name, ..)| name == argument)
    }

    fn named(&self, function: &str) -> &[Function] {
        self.functions.get(function).map_or(&[], Vec::as_slice)
    }
}

const TABLES: &str = "
select c.relname::text,
  array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum),
  array(select format_type(a.atttypid, a.atttypmod) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum),
  array(select a.attname::text from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)
        where i.indrelid = c.oid and i.indisprimary)
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm', 'f', 'p')";

const FUNCTIONS: &str = "
select p.proname::text,
  coalesce(p.proargnames[:p.pronargs], '{}')::text[],
  array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as a (t, place) order by place),
  p.pronargdefaults::int,
  p.proretset,
  p.prorettype = 'void'::regtype,
  t.typtype = 'c' or p.prorettype = 'record'::regtype,
  p.provolatile = 'v'
from pg_proc p join pg_type t on t.oid = p.prorettype
where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype";

const ROLE_SETTINGS: &str = "
select r.rolname::text, split_part(pair, '=', 1), substr(pair, strpos(pair, '=') + 1)
from pg_db_role_setting s
join pg_roles r on r.oid = s.setrole
cross join unnest(s.setconfig) pair
join pg_settings known on known.name = split_part(pair, '=', 1) and known.context = 'user'
where s.setdatabase = 0 and pg_has_role('authenticator', r.oid, 'member')";

/// The catalog of now, shared by all requests.
#[derive(Default)]
pub struct Cache(RwLock<Arc<Catalog>>);

impl Cache {
    pub fn current(&self) -> Arc<Catalog> {
        let cached = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&cached)
    }

    /// The next request reads it anew.
    pub fn forget(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    pub async fn reload(&self, pool: &Pool) -> anyhow::Result<Arc<Catalog>> {
        let client = pool.get().await?;
        let mut catalog = Catalog::default();
        for row in client.query(TABLES, &[]).await? {
            let (names, types): (Vec<String>, Vec<String>) = (row.get(1), row.get(2));
            let table = Table { columns: names.into_iter().zip(types).collect(), key: row.get(3) };
            catalog.tables.insert(row.get(0), table);
        }
        for row in client.query(FUNCTIONS, &[]).await? {
            let (names, types): (Vec<String>, Vec<String>) = (row.get(1), row.get(2));
            let optional = usize::try_from(row.get::<_, i32>(3)).unwrap_or(0);
            let required = types.len().saturating_sub(optional);
            let arguments = names.into_iter().zip(types).enumerate();
            let returns = match (row.get(5), row.get(6)) {
                (true, _) => Returns::Void,
                (_, true) => Returns::Row,
                _ => Returns::Scalar,
            };
            let function = Function {
                arguments: arguments.map(|(i, (name, kind))| (name, kind, i < required)).collect(),
                returns,
                set: row.get(4),
                volatile: row.get(7),
            };
            catalog.functions.entry(row.get(0)).or_default().push(function);
        }
        for row in client.query(ROLE_SETTINGS, &[]).await? {
            catalog.role_settings.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
        }
        let catalog = Arc::new(catalog);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&catalog);
        Ok(catalog)
    }
}

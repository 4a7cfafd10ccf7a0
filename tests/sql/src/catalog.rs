//! What a database holds, as text to compare.

use anyhow::Result;
use tokio_postgres::Client;

/// Everything about the chat that the catalog knows, as text.
pub const CATALOG: &str = "
select string_agg(line, E'\\n' order by line) from (
  select format('column %s.%s %s %s %s', attrelid::regclass, attname, atttypid::regtype, attnotnull, attacl) as line
    from pg_attribute where attrelid::regclass::text ~ '^chat_' and attnum > 0 and not attisdropped
     and exists (select from pg_class where oid = attrelid and relkind = 'r')
  union all select format('table %s %s %s', oid::regclass, relrowsecurity, relacl) from pg_class where relname ~ '^chat_' and relkind = 'r'
  union all select format('index %s', indexdef) from pg_indexes where tablename ~ '^chat_'
  union all select format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid, true)) from pg_constraint where conrelid::regclass::text ~ '^chat_'
  union all select format('policy %s %s %s %s %s %s %s', polrelid::regclass, polname, polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) from pg_policy
  union all select format('trigger %s', pg_get_triggerdef(oid)) from pg_trigger where not tgisinternal and tgrelid::regclass::text ~ '^chat_'
  union all select format('function %s %s %s', oid::regprocedure, proacl, md5(pg_get_functiondef(oid))) from pg_proc where pronamespace in ('public'::regnamespace, to_regnamespace('chat_private'))
  union all select format('schema %s %s', nspname, nspacl) from pg_namespace where nspname = 'chat_private'
) lines";

/// What people wrote.
pub const CONTENTS: &str = "
select md5(string_agg(row(id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)::text, ',' order by id))
  from public.chat_messages";

/// The first column of a query's rows, a line each.
pub async fn text(client: &Client, query: &str) -> Result<String> {
    let rows = client.query(query, &[]).await?;
    Ok(rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect::<Vec<_>>().join("\n"))
}

//! Supabase's own linter (splinter; protocol.md section 6): the rules that a chat can break, asked of the catalog as
//! splinter asks them, in words of our own. Each finding is a row.

use anyhow::Result;
use sql_tests::Database;

/// Ours: the tables, their policies and functions, and the policy on Realtime's table.
const RULES: &[(&str, &str)] = &[
    (
        "0001 a foreign key without an index",
        "select conrelid::regclass || ' ' || conname from pg_constraint c
          where contype = 'f' and conrelid::regclass::text like 'chat_%'
            and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indisvalid
                              and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey)",
    ),
    (
        "0003 a function of auth asked once a row",
        "select polrelid::regclass || ' ' || polname from pg_policy,
                lateral (select lower(concat(pg_get_expr(polqual, polrelid), ' ', pg_get_expr(polwithcheck, polrelid))) as text) e
          where regexp_replace(text, '\\( *select (auth\\.(uid|jwt|role|email)\\(\\)|current_setting\\([^)]*\\))', '', 'g')
                ~ '(auth\\.(uid|jwt|role|email)\\(|current_setting\\()'",
    ),
    ("0004 no primary key", "select oid::regclass::text from pg_class c where relkind = 'r' and relname like 'chat_%'
          and not exists (select from pg_constraint where conrelid = c.oid and contype = 'p')"),
    (
        "0006 two permissive policies for one thing",
        "select polrelid::regclass || ' ' || cmd from (
           select polrelid, unnest(case polcmd when '*' then '{r,a,w,d}' else array[polcmd::text] end) as cmd from pg_policy
            where polpermissive and polrelid::regclass::text like 'chat_%') p group by polrelid, cmd having count(*) > 1",
    ),
    ("0008 row level security without a policy, on what users may read", "select oid::regclass::text from pg_class c
          where relname like 'chat_%' and relkind = 'r' and relrowsecurity
            and has_any_column_privilege('authenticated', oid, 'SELECT')
            and not exists (select from pg_policy where polrelid = c.oid)"),
    (
        "0009 the same index twice",
        "select min(indexrelid::regclass::text) from pg_index where indrelid::regclass::text like 'chat_%'
          group by indrelid, indkey::text, indclass::text, indpred::text having count(*) > 1",
    ),
    ("0010 a view with its owner's rights", "select oid::regclass::text from pg_class where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace"),
    (
        "0011 a search path that the caller sets",
        "select oid::regprocedure::text from pg_proc where pronamespace::regnamespace::text in ('public', 'chat_private')
            and not exists (select from unnest(proconfig) s where s like 'search_path=%')",
    ),
    ("0007, 0013 no row level security", "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and not relrowsecurity"),
    ("0015 a policy that believes user_metadata", "select polname::text from pg_policy
          where concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~ 'user_metadata'"),
    (
        "0021 a foreign key to what is not auth's primary key",
        "select conname::text from pg_constraint c where contype = 'f' and confrelid::regclass::text like 'auth.%'
            and conrelid::regclass::text like 'chat_%'
            and not exists (select from pg_index i where i.indexrelid = c.conindid and i.indisprimary)",
    ),
    (
        "0024 a policy that is always true",
        "select polname::text from pg_policy where polpermissive
            and (trim(both '()' from pg_get_expr(polqual, polrelid)) in ('true', '1 = 1')
              or trim(both '()' from pg_get_expr(polwithcheck, polrelid)) in ('true', '1 = 1'))",
    ),
    (
        "0028, 0029 a function with its owner's rights that users may call",
        "select oid::regprocedure::text from pg_proc where prosecdef and pronamespace = 'public'::regnamespace
            and (has_function_privilege('anon', oid, 'EXECUTE') or has_function_privilege('authenticated', oid, 'EXECUTE'))",
    ),
];

/// What each rule has to notice, in the same order.
const BREAKS: &[&str] = &[
    "drop index public.chat_threads_user_a_supabase_id_thread_id_idx",
    "alter policy chat_threads_select on public.chat_threads using (user_a_supabase_id = auth.uid())",
    "alter table public.chat_identities drop constraint chat_identities_pkey",
    "create policy more on public.chat_messages for all to authenticated using (sender_supabase_id = (select auth.uid()))",
    "drop policy chat_threads_select on public.chat_threads",
    "create index again on public.chat_messages (thread_id, created_at)",
    "create view public.open as select * from public.chat_messages",
    "alter function public.link_chat_identity(text, uuid) reset search_path",
    "alter table public.chat_messages disable row level security",
    "create policy liar on realtime.messages for select using ((select auth.jwt()) -> 'user_metadata' ->> 'a' = topic)",
    "alter table auth.users add constraint other unique (email); alter table public.chat_identities add column email text references auth.users (email)",
    "create policy anything on public.chat_messages for insert to authenticated with check (true)",
    "alter function public.insert_chat_message(text, text, text, text, uuid, bigint) security definer",
];

async fn findings(database: &Database, rule: &str) -> Result<Vec<String>> {
    let rows = database.superuser().await?.query(rule, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[tokio::test]
async fn supabases_linter_has_nothing_to_say() -> Result<()> {
    let database = Database::installed().await?;
    for (rule, sql) in RULES {
        assert_eq!(findings(&database, sql).await?, Vec::<String>::new(), "{rule}");
    }
    Ok(())
}

#[tokio::test]
async fn each_rule_notices_what_breaks_it() -> Result<()> {
    assert_eq!(RULES.len(), BREAKS.len());
    for ((rule, sql), breakage) in RULES.iter().zip(BREAKS) {
        let database = Database::installed().await?;
        database.superuser().await?.batch_execute(breakage).await?;
        assert!(!findings(&database, sql).await?.is_empty(), "{rule}: {breakage}");
    }
    Ok(())
}

-- Looks whether the chat is installed as it promises. Paste it into the SQL editor and run it, as `postgres`: one row a
-- promise, and where one is broken what was found and what to do. It changes nothing.
with
-- Two files are optional, the inbox's and the changes': what is asked of them is asked where the file was begun.
inbox (applied) as (values (to_regclass('chat_private.inbox_starts') is not null)),
changes (applied) as (
  values (exists (select from pg_catalog.pg_attribute
                   where attrelid = to_regclass('public.chat_messages') and attname = 'rev' and not attisdropped))
),
tables (relation) as (
  values ('chat_identities'), ('chat_threads'), ('chat_messages'), ('chat_limits')
  union all select 'chat_markers' from inbox where applied
),
oids as (select relation, to_regclass('public.' || relation)::oid as oid from tables),
api_roles (role) as (select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role')),
-- What each role may do, as (role, relation, privilege, columns); no columns means the whole table.
allowed (role, relation, privilege, columns) as (
  values
  ('authenticated', 'chat_threads', 'SELECT', null::text[]),
  ('authenticated', 'chat_messages', 'SELECT', null),
  ('authenticated', 'chat_messages', 'INSERT', '{id,thread_id,sender_supabase_id,sender_mongo_id,recipient_mongo_id,body}'),
  ('service_role', 'chat_identities', 'SELECT', null),
  ('service_role', 'chat_threads', 'SELECT', null),
  ('service_role', 'chat_messages', 'SELECT', null),
  ('service_role', 'chat_limits', 'SELECT', null),
  ('service_role', 'chat_limits', 'UPDATE', '{sends_per_second,send_burst,edit_window,unsend_window}'),
  ('service_role', 'chat_identities', 'INSERT', null),
  ('service_role', 'chat_threads', 'INSERT', '{thread_id,user_a_mongo_id,user_b_mongo_id,user_a_supabase_id,user_b_supabase_id}'),
  ('service_role', 'chat_threads', 'UPDATE', '{user_a_supabase_id,user_b_supabase_id}')
  union all select 'authenticated', 'chat_messages', 'INSERT', '{reply_to}' from changes where applied
),
column_rights as (
  select r.role, o.relation, a.attname as name, p.privilege,
         has_column_privilege(r.role, o.oid, a.attname, p.privilege) as has,
         exists (select from allowed w
                  where w.role = r.role and w.relation = o.relation and w.privilege = p.privilege
                    and (w.columns is null or a.attname = any (w.columns))) as may
    from oids o
    join pg_catalog.pg_attribute a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
    cross join api_roles r
    cross join unnest('{SELECT,INSERT,UPDATE}'::text[]) p (privilege)
),
api_functions (signature, role, with_owners_rights) as (
  values
    ('public.insert_chat_message(text,text,text,text,uuid,bigint)', 'authenticated', false),
    ('public.insert_chat_messages(text,text,text,jsonb)', 'authenticated', false),
    ('public.list_chat_messages(text,bigint,bigint,integer)', 'authenticated', false),
    ('public.sync_chat(jsonb,jsonb)', 'authenticated', false),
    ('chat_private.sync_chat(jsonb,jsonb)', 'authenticated', true),
    ('public.link_chat_identity(text,uuid)', 'service_role', false),
    ('public.ensure_chat_thread(text,text)', 'service_role', false),
    ('public.erase_chat_person(text)', 'service_role', true)
  union all
  select i.signature, 'authenticated', i.with_owners_rights
    from inbox, (values
      ('public.list_chat_threads(integer,jsonb,text)', false),
      ('chat_private.list_chat_threads(integer,jsonb,text)', true),
      ('public.mark_chat(jsonb,boolean)', false),
      ('chat_private.mark_chat(jsonb,boolean)', true)) i (signature, with_owners_rights)
   where applied
  union all
  select c.signature, 'authenticated', c.with_owners_rights
    from changes, (values
      ('public.edit_chat_message(uuid,text)', false),
      ('public.unsend_chat_message(uuid)', false),
      ('public.react_chat_message(uuid,text)', false),
      ('chat_private.change_message(uuid,text,text)', true),
      ('public.list_chat_page(text,bigint,bigint,integer,bigint)', false),
      ('chat_private.list_chat_page(text,bigint,bigint,integer,bigint)', true)) c (signature, with_owners_rights)
   where applied
),
own_functions as (
  select p.* from pg_catalog.pg_proc p
   where p.pronamespace = to_regnamespace('chat_private')
      or p.oid in (select to_regprocedure(signature) from api_functions)
),
own_triggers (name, function, kind, words) as ( -- kind: pg_trigger.tgtype of ROW, BEFORE or AFTER, INSERT and UPDATE; words: of its WHEN
  values
    ('chat_messages_number', 'number_message', 7, null::text[]),
    ('chat_messages_allow', 'allow_message', 5, null),
    ('chat_messages_count', 'count_message', 5, null),
    ('chat_messages_broadcast', 'broadcast_message', 5, null)
  union all select 'chat_messages_inbox', 'announce_thread', 5, null from inbox where applied
  union all
  select c.name, c.function, c.kind, c.words
    from changes, (values
      ('chat_messages_number_change', 'number_change', 19,
       '{old.body,old.edited_at,old.deleted_at,old.reply_to,old.reaction_a,old.reaction_b}'::text[]),
      ('chat_messages_allow_change', 'allow_message', 17, '{"(old.rev IS DISTINCT FROM new.rev)"}'),
      ('chat_messages_broadcast_change', 'announce_change', 17, '{"(old.rev IS DISTINCT FROM new.rev)"}'),
      ('chat_messages_count_change', 'count_change', 21, '{"(new.rev IS NOT NULL)"}')) c (name, function, kind, words)
   where applied
),
own_policies (relation, name, command, words) as (
  values
    ('public.chat_threads', 'chat_threads_select', 'r', '{user_a_supabase_id,user_b_supabase_id,auth.uid()}'::text[]),
    ('public.chat_messages', 'chat_messages_select', 'r', '{chat_threads,thread_id,first_thread(),last_thread()}'),
    ('public.chat_messages', 'chat_messages_insert', 'a', '{chat_threads,sender_supabase_id,sender_mongo_id,recipient_mongo_id,auth.uid()}'),
    ('realtime.messages', 'chat_messages_receive', 'r', '{chat_threads,realtime.topic(),extension,auth.uid()}')
  union all select 'realtime.messages', 'chat_inbox_receive', 'r', '{chat-inbox:,realtime.topic(),extension,auth.uid()}' from inbox where applied
),
policies as (
  select p.polrelid, p.polname, p.polcmd, p.polpermissive,
         (select array_agg(coalesce(r.rolname, 'public')::text) from unnest(p.polroles) u (oid) left join pg_catalog.pg_roles r on r.oid = u.oid) as roles,
         coalesce(pg_get_expr(p.polqual, p.polrelid), '') as reads,
         coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') as writes
    from pg_catalog.pg_policy p
   where p.polrelid in (select oid from oids union all select to_regclass('realtime.messages'))
),
foreign_policies as (
  select * from policies p
   where p.polpermissive
     and p.polname not in (select name from own_policies o where to_regclass(o.relation) = p.polrelid)
),
-- The parts of the fence around the chat's topics that are not there, or say something else.
fence_gaps (name) as (
  select o.name
    from inbox, (values
      ('chat_topics_fence', 'chat:%', '{public}'::text[], '{authenticated}'::text[]),
      ('chat_topics_fence_people', 'chat:%', '{authenticated}', '{chat_threads,realtime.topic(),extension,auth.uid()}'),
      ('chat_inbox_fence', 'chat-inbox:%', '{public}', '{authenticated,realtime.topic(),extension,auth.uid()}')) o (name, topics, roles, words),
         lateral (select '(topic !~~ ' || quote_literal(o.topics) || '::text)' as others) topic
   where (applied or o.name <> 'chat_inbox_fence')
     and not exists (
       select from policies p
        where p.polrelid = to_regclass('realtime.messages') and p.polname = o.name and p.polcmd = '*' and not p.polpermissive
          and p.roles = o.roles and p.writes = others
          and strpos(p.reads, others || ' OR ') > 0
          and (select bool_and(strpos(p.reads, word) > 0) from unnest(o.words) word)
          and p.reads !~* '\mtrue\M')
),
own_constraints (relation, name) as (
  values
    ('chat_identities', 'chat_identities_pkey'), ('chat_identities', 'chat_identities_mongo_id_check'),
    ('chat_identities', 'chat_identities_supabase_id_fkey'),
    ('chat_threads', 'chat_threads_pkey'), ('chat_threads', 'chat_threads_thread_id_check'),
    ('chat_threads', 'chat_threads_last_seq_check'),
    ('chat_threads', 'chat_threads_user_a_supabase_id_fkey'), ('chat_threads', 'chat_threads_user_b_supabase_id_fkey'),
    ('chat_messages', 'chat_messages_pkey'), ('chat_messages', 'chat_messages_thread_id_fkey'),
    ('chat_messages', 'chat_messages_people_check'), ('chat_messages', 'chat_messages_body_check'),
    ('chat_messages', 'chat_messages_seq_check'),
    ('chat_limits', 'chat_limits_pkey'), ('chat_limits', 'chat_limits_id_check'),
    ('chat_limits', 'chat_limits_sends_per_second_check'), ('chat_limits', 'chat_limits_send_burst_check'),
    ('chat_limits', 'chat_limits_edit_window_check'), ('chat_limits', 'chat_limits_unsend_window_check')
  union all
  select 'chat_markers', i.name
    from inbox, unnest('{chat_markers_pkey,chat_markers_thread_id_fkey,chat_markers_supabase_id_fkey,chat_markers_read_seq_check,chat_markers_delivered_seq_check}'::text[]) i (name)
   where applied
  union all
  select 'chat_messages', c.name
    from changes, unnest('{chat_messages_reply_to_check,chat_messages_reactions_check,chat_messages_deleted_check,chat_messages_attachments_check}'::text[]) c (name)
   where applied
),
-- Rows are looked at by text made here: a table or column that is missing must not keep the rest from being looked at.
can_look as (
  select count(*) = 5 as yes from pg_catalog.pg_attribute
   where attrelid in (select oid from oids)
     and (attrelid, attname) in (
       (to_regclass('public.chat_messages'), 'seq'), (to_regclass('public.chat_threads'), 'last_seq'),
       (to_regclass('public.chat_threads'), 'last_rev'),
       (to_regclass('public.chat_identities'), 'supabase_id'), (to_regclass('public.chat_limits'), 'send_burst'))
),
miscounted as (
  select (xpath('/row/found/text()', query_to_xml($look$
    select string_agg(thread_id, ', ') as found from (
      select t.thread_id
        from (select * from public.chat_threads order by last_message_at desc nulls last limit 100) t,
             lateral (select count(*) as messages, max(seq) as newest
                        from public.chat_messages m
                       where m.thread_id = t.thread_id and m.seq > t.last_seq - 1000) m
       where m.messages <> least(t.last_seq, 1000) or coalesce(m.newest, 0) <> t.last_seq
       limit 5) threads
    $look$, false, true, '')))[1]::text as found
    from can_look where yes
),
-- The newest change is always in a row.
misrevised as (
  select (xpath('/row/found/text()', query_to_xml($look$
    select string_agg(thread_id, ', ') as found from (
      select t.thread_id
        from (select * from public.chat_threads order by last_message_at desc nulls last limit 100) t
       where t.last_rev <> coalesce((select max(m.rev) from public.chat_messages m where m.thread_id = t.thread_id), 0)
       limit 5) threads
    $look$, false, true, '')))[1]::text as found
    from can_look, changes where yes and applied
),
mislinked as (
  select (xpath('/row/found/text()', query_to_xml($look$
    select string_agg(thread_id, ', ') as found from (
      select t.thread_id
        from public.chat_threads t
        left join public.chat_identities a on a.mongo_id = t.user_a_mongo_id
        left join public.chat_identities b on b.mongo_id = t.user_b_mongo_id
       where t.user_a_supabase_id is distinct from a.supabase_id or t.user_b_supabase_id is distinct from b.supabase_id
       limit 5) threads
    $look$, false, true, '')))[1]::text as found
    from can_look where yes
),
unlimited as (
  select (xpath('/row/found/text()', query_to_xml($look$
    select case when not exists (select from public.chat_limits) then 'chat_limits is empty' end as found
    $look$, false, true, '')))[1]::text as found
    from can_look where yes
),
misnamed as (
  select (xpath('/row/found/text()', query_to_xml($look$
    select string_agg(said, ', ') as found from (
      select format('%s (account %s: %s)', i.mongo_id, i.supabase_id,
                    case when u.id is null then 'gone' else coalesce(u.raw_app_meta_data ->> 'mongoUserId', 'none') end) as said
        from public.chat_identities i
        left join auth.users u on u.id = i.supabase_id
       where u.raw_app_meta_data ->> 'mongoUserId' is distinct from i.mongo_id
       order by i.mongo_id
       limit 5) links
    $look$, false, true, '')))[1]::text as found
    from can_look where yes
),
findings (place, promise, found, advice) as (
  select 1, 'the tables are there',
    (select string_agg(relation, ', ') from oids where oid is null),
    'apply the numbered files, in the order of their names'
  union all select 2, 'every message and thread has its numbers',
    (select string_agg(w.relation || '.' || w.name, ', ')
       from (values ('chat_messages', 'seq'), ('chat_messages', 'created_at'), ('chat_threads', 'last_seq'), ('chat_threads', 'last_rev')) w (relation, name)
      where not exists (select from oids o join pg_catalog.pg_attribute a on a.attrelid = o.oid
                         where o.relation = w.relation and a.attname = w.name and a.attnotnull and not a.attisdropped)),
    'apply 20261122000001 to 20261122000006 again'
  union all select 3, 'row level security is on',
    (select string_agg(c.oid::regclass::text, ', ') from pg_catalog.pg_class c
      where c.oid in (select oid from oids union all select to_regclass('realtime.messages')) and not c.relrowsecurity),
    'alter table … enable row level security'
  union all select 4, 'the policies are the chat''s',
    (select string_agg(o.name, ', ') from own_policies o
      where not exists (
        select from policies p
         where p.polrelid = to_regclass(o.relation) and p.polname = o.name and p.polcmd = o.command::"char" and p.polpermissive
           and p.roles = '{authenticated}'
           and (select bool_and(strpos(p.reads || p.writes, word) > 0) from unnest(o.words) word)
           and p.reads || p.writes !~* '\mor true\M|\mtrue or\M|\(true\)')),
    'apply 20261122000004, 20261122000005 and, for the inbox, 20261127000001 again'
  union all select 5, 'no other policy lets people into the tables',
    (select string_agg(format('%I on %s%s', polname, polrelid::regclass, case when 'true' in (reads, writes) then ' (true: everybody)' end), ', ')
       from foreign_policies where polrelid in (select oid from oids)),
    'drop policy …: policies are added to each other; 20261122000004 does it'
  union all select 6, 'no other policy opens a topic of the chat',
    (select string_agg(g.name, ', ') || ' is not there or not the chat''s'
         || coalesce('; so these may let people hear or send: ' || (
              select string_agg(quote_ident(polname), ', ') from foreign_policies
               where polrelid = to_regclass('realtime.messages') and roles && '{public,anon,authenticated}'
                 and (reads || writes !~ 'topic' or reads || writes ~ '\mchat_(threads|messages)\M|chat(-inbox)?:')), '')
       from fence_gaps g having count(*) > 0),
    'apply 20261122000005 and, for the inbox, 20261127000001 again'
  union all select 7, 'each role may do what it needs and no more',
    (select string_agg(what, ', ') from (
       select format('%s %s %s on %s', role, case when may then 'lacks' else 'has' end, privilege,
                     case when count(*) > 3 then relation else relation || ' (' || string_agg(name, ', ') || ')' end) as what
         from column_rights where has <> may group by role, relation, privilege, may
       union all
       select format('%s has %s on %s', r.role, p.privilege, o.relation)
         from oids o cross join api_roles r cross join unnest('{DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p (privilege)
        where o.oid is not null and has_table_privilege(r.role, o.oid, p.privilege)) rights),
    'apply 20261122000004, 20261122000007 and, where you have them, 20261127000001 and 20261128000001 again'
  union all select 8, 'the API''s functions are there, for whom they are',
    (select string_agg(what, ', ') from (
       select f.signature || ' is missing' as what from api_functions f where to_regprocedure(f.signature) is null
       union all
       select format('%s %s %s', r.role, case when r.role = f.role then 'may not call' else 'may call' end, f.signature)
         from api_functions f cross join api_roles r
        where to_regprocedure(f.signature) is not null
          and has_function_privilege(r.role, to_regprocedure(f.signature), 'EXECUTE') <> (r.role = f.role)
       union all
       select f.signature || case when p.prosecdef then ' is security definer' else ' is security invoker' end
         from api_functions f
         join pg_catalog.pg_proc p on p.oid = to_regprocedure(f.signature) where p.prosecdef <> f.with_owners_rights) wrong),
    'apply 20261122000004, 20261126000001, 20261126000002 and, where you have them, 20261127000001 and 20261128000001 again'
  union all select 9, 'the functions see no schema but those that they name',
    (select string_agg(oid::regprocedure::text, ', ') from own_functions
      where not coalesce(proconfig, '{}') && '{"search_path=\"\"","search_path="}'),
    'alter function … set search_path = '''''
  union all select 10, 'the private schema is private',
    (select string_agg(what, ', ') from (
       select role || ' may use chat_private' as what from api_roles
        where to_regnamespace('chat_private') is not null and has_schema_privilege(role, to_regnamespace('chat_private'), 'USAGE, CREATE')
       union all
       select format('%s may call %s', r.role, p.oid::regprocedure) from own_functions p cross join api_roles r
        where p.pronamespace = to_regnamespace('chat_private') and has_function_privilege(r.role, p.oid, 'EXECUTE')
          -- The policies' and the constraints' own; without a right to the schema nobody can name them.
          and not (r.role = 'authenticated' and p.proname in ('first_thread', 'last_thread'))
          and not (r.role = 'service_role' and p.proname = 'is_mongo_id')
          -- What the API's functions call.
          and not (r.role = 'authenticated' and p.oid in (select to_regprocedure(signature) from api_functions))
       union all
       select 'the API exposes chat_private' from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) setting
        where setting ~ '^pgrst\.db_schemas=.*\mchat_private\M') open),
    'revoke all on schema chat_private and on its functions from public, anon, authenticated, service_role; take it out of the exposed schemas'
  union all select 11, 'the triggers number, limit, count and broadcast each message',
    (select string_agg(w.name, ', ') from own_triggers w
      where not exists (
        select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
         where t.tgrelid = to_regclass('public.chat_messages') and t.tgname = w.name and t.tgtype = w.kind
           and t.tgenabled in ('O', 'A') and p.prosecdef
           and (w.words is null) = (t.tgqual is null)
           and (select bool_and(strpos(pg_get_triggerdef(t.oid), word) > 0) from unnest(w.words) word) is not false
           and p.pronamespace = to_regnamespace('chat_private') and p.proname = w.function)),
    'alter table public.chat_messages enable trigger user; if that is not it, apply 20261122000001, 20261122000005, 20261122000007 and, where you have them, 20261127000001 and 20261128000001 again'
  union all select 12, 'what runs with its owner''s rights may write what it has to',
    (select string_agg(format('%s of %s', p.oid::regprocedure, r.rolname), ', ') from own_functions p
       join pg_catalog.pg_roles r on r.oid = p.proowner
      where p.prosecdef and not (r.rolbypassrls or r.rolsuper)),
    'alter function … owner to postgres: the owner must be exempt from row level security, or broadcasts are lost'
  union all select 13, 'the constraints hold for new rows',
    (select string_agg(w.name, ', ') from own_constraints w
      where not exists (select from pg_catalog.pg_constraint c join oids o on o.oid = c.conrelid
                         where o.relation = w.relation and c.conname = w.name)),
    'apply 20261122000003 and 20261122000007 again; those of chat_markers are written in 20261127000001, those about reactions, replies and what was unsent in 20261128000001'
  union all select 14, 'and for old rows',
    (select string_agg(format('%s on %s', c.conname, o.relation), ', ') from pg_catalog.pg_constraint c
       join oids o on o.oid = c.conrelid where not c.convalidated),
    'rows from before the upgrade do not fit and were kept; correct them and apply 20261122000006 again, or leave them'
  union all select 15, 'the indexes are there and whole',
    (select string_agg(w.name, ', ')
       from (values ('chat_messages_pkey', true), ('chat_messages_thread_id_seq_key', true),
                    ('chat_messages_thread_id_created_at_idx', false), ('chat_messages_thread_id_id_idx', false),
                    ('chat_identities_supabase_id_key', true),
                    ('chat_threads_user_a_mongo_id_idx', false), ('chat_threads_user_b_mongo_id_idx', false),
                    ('chat_threads_user_a_supabase_id_thread_id_idx', false), ('chat_threads_user_b_supabase_id_thread_id_idx', false),
                    ('chat_markers_pkey', true), ('chat_markers_supabase_id_thread_id_idx', false),
                    ('chat_messages_thread_id_rev_key', true)) w (name, is_unique)
      where (w.name not like 'chat_markers%' or (select applied from inbox))
        and (w.name <> 'chat_messages_thread_id_rev_key' or (select applied from changes))
        and not exists (select from pg_catalog.pg_index i
                         where i.indexrelid = to_regclass('public.' || w.name) and i.indisvalid and i.indisunique = w.is_unique)),
    'drop what is broken of them and apply 20261122000001, 20261122000003 and, where you have them, 20261127000001 and 20261128000001 again'
  union all select 16, 'Realtime can be told',
    (select string_agg(w.signature, ', ')
       from (values ('realtime.topic()'), ('realtime.send(jsonb,text,text,boolean)'), ('realtime.broadcast_changes(text,text,text,text,text,record,record,text)')) w (signature)
      where to_regprocedure(w.signature) is null),
    'enable Realtime for the project'
  union all select 17, 'Realtime has a place for today''s broadcasts',
    (select to_char(now() at time zone 'utc', 'YYYY-MM-DD')
      where not exists (
        select from pg_catalog.pg_inherits i
          join pg_catalog.pg_class c on c.oid = i.inhrelid,
               lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']*)'\) TO \('([^']*)'\)$re$) span
         where i.inhparent = to_regclass('realtime.messages')
           and now() at time zone 'utc' >= span[1]::timestamp and now() at time zone 'utc' < span[2]::timestamp)),
    'open the app once: Realtime makes the partition of a day when somebody connects; messages sent before are found by the next read'
  union all select 18, 'the newest messages are numbered without a hole',
    (select case when yes then (select found from miscounted) else 'there is nothing to look at' end from can_look),
    'messages are missing there. If you deleted some (nobody can through the API): a page takes a missing number for a message that it has not got yet; next time keep the row and empty it, update public.chat_messages set body = '''' where id = …. If you did not, tell the authors, with the rows of these threads'
  union all select 19, 'the threads belong to whom the backend linked',
    (select case when yes then (select found from mislinked) else 'there is nothing to look at' end from can_look),
    'select public.link_chat_identity(mongo_id, supabase_id) for their people; a Supabase id that no identity vouches for should be set to null'
  union all select 20, 'the links are what the accounts say',
    (select case when yes then (select found from misnamed) else 'there is nothing to look at' end from can_look),
    'app_metadata.mongoUserId of these accounts says another Mongo id, or none. If your backend takes the Mongo id from there, somebody else made the link: delete its row of chat_identities, look at what was said in that name, and let the backend link anew. If it takes it from elsewhere, compare with that'
  union all select 21, 'nothing of an earlier version is left',
    (select string_agg(what, ', ') from (
       select format('function %s', p.oid::regprocedure) as what from pg_catalog.pg_proc p
        where p.oid not in (select oid from own_functions)
          and p.pronamespace = to_regnamespace('public')
          and (p.proname = 'insert_chat_message'
               or p.prorettype = 'trigger'::regtype and p.prosrc ~* 'realtime\.(broadcast_changes|send)' and p.prosrc ~ 'chat:')
       union all
       select format('trigger %I', t.tgname) from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = to_regclass('public.chat_messages') and not t.tgisinternal
          and t.tgname not in (select name from own_triggers) and p.prosrc ~* 'realtime\.(broadcast_changes|send)') old),
    'drop it: a second trigger broadcasts twice, an old function may let people in by another door'
  union all select 22, 'there is a limit to what one person sends',
    (select case when yes then (select found from unlimited) else 'there is nothing to look at' end from can_look),
    'insert into public.chat_limits default values'
  union all select 23, 'the newest changes are counted',
    (select case when (select yes from can_look) then (select found from misrevised) else 'there is nothing to look at' end),
    'if you deleted a message there (nobody can through the API), the next change puts it right; if you did not, tell the authors, with the rows of these threads'
)
select promise, found is null as ok, found || ': ' || advice as what_to_do
  from findings
 order by found is null, place;

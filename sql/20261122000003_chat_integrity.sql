-- What the rows of the tables promise each other. While this runs on a big table writers wait, most of the time for the
-- unique index; readers do not. sql/README.md tells how long, and how to do without the wait.
begin;
set local statement_timeout = 0;
set local lock_timeout = '5s';
lock table public.chat_messages, public.chat_threads in share row exclusive mode;

-- What a `create index concurrently` that failed left behind has the name but does not keep the promise.
do $$
begin
  if exists (select from pg_catalog.pg_index
              where indexrelid = to_regclass('public.chat_messages_thread_id_seq_key') and not indisvalid) then
    drop index public.chat_messages_thread_id_seq_key;
  end if;
end
$$;
create unique index if not exists chat_messages_thread_id_seq_key on public.chat_messages (thread_id, seq);

-- The messages that came in while the file before was running.
with numbered as (
  select m.id,
         coalesce(done.last_seq, 0) + row_number() over (partition by m.thread_id order by m.created_at nulls first, m.id) as seq
    from public.chat_messages m
    join public.chat_threads t on t.thread_id = m.thread_id and t.last_seq is null
    left join lateral (select max(n.seq) as last_seq from public.chat_messages n where n.thread_id = m.thread_id) done on true
   where m.seq is null
)
update public.chat_messages m set seq = numbered.seq from numbered where m.id = numbered.id;

update public.chat_threads t
   set last_seq = coalesce((select max(m.seq) from public.chat_messages m where m.thread_id = t.thread_id), 0),
       last_message_at = coalesce((select max(m.created_at) from public.chat_messages m where m.thread_id = t.thread_id), t.last_message_at)
 where t.last_seq is null;

create unique index if not exists chat_identities_supabase_id_key on public.chat_identities (supabase_id);
-- Both a person's threads and, where an account is deleted, the foreign keys look these up.
create index if not exists chat_threads_user_a_mongo_id_idx on public.chat_threads (user_a_mongo_id);
create index if not exists chat_threads_user_b_mongo_id_idx on public.chat_threads (user_b_mongo_id);
create index if not exists chat_threads_user_a_supabase_id_thread_id_idx on public.chat_threads (user_a_supabase_id, thread_id);
create index if not exists chat_threads_user_b_supabase_id_thread_id_idx on public.chat_threads (user_b_supabase_id, thread_id);
-- One account in most threads (a shop, a support desk) would have the planner expect as many of everybody and read the
-- whole table. It is told what holds for everybody else: two threads a person. The last file has it look again.
alter table public.chat_threads
  alter column user_a_supabase_id set (n_distinct = -0.5),
  alter column user_b_supabase_id set (n_distinct = -0.5);

alter table public.chat_threads alter column last_seq set not null;

-- Each send has its thread's row checked again: PL/pgSQL takes 1.3 µs, SQL with a search_path twice that.
create or replace function chat_private.is_mongo_id(_id text) returns boolean
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return octet_length(_id) between 1 and 119 and _id !~ '(^_|_$|__|[\u0001-\u001f\u007f-\u009f])';
end
$$;
revoke all on function chat_private.is_mongo_id(text) from public, anon, authenticated, service_role;
grant execute on function chat_private.is_mongo_id(text) to service_role;
comment on function chat_private.is_mongo_id(text) is
  'For the constraints: whether two such ids, joined by "__", name one pair of people and no other: 1 to 119 bytes, without "__", control characters or "_" at an end. Null for null.';

-- `not valid`: they hold for every row from now on, at once. Rows from before are looked at by the last file, which
-- keeps those that do not fit.
do $$
declare
  promise record;
begin
  -- What an earlier version wrote otherwise: it had no place for a message that was erased, and no function for ids.
  for promise in
    select c.conrelid::regclass as relation, c.conname as name
      from (values
        ('public.chat_messages', 'chat_messages_people_check', $sql$body = ''$sql$),
        ('public.chat_messages', 'chat_messages_body_check', $sql$body = ''$sql$),
        ('public.chat_threads', 'chat_threads_thread_id_check', 'is_mongo_id'),
        ('public.chat_identities', 'chat_identities_mongo_id_check', 'is_mongo_id')
      ) today (relation, name, word)
      join pg_catalog.pg_constraint c on c.conrelid = today.relation::regclass and c.conname = today.name
     where strpos(pg_get_constraintdef(c.oid), today.word) = 0
  loop
    execute format('alter table %s drop constraint %I', promise.relation, promise.name);
  end loop;
  for promise in
    select * from (values
      ('public.chat_identities', 'chat_identities_mongo_id_check',
       'check (chat_private.is_mongo_id(mongo_id))'),
      ('public.chat_identities', 'chat_identities_supabase_id_fkey',
       'foreign key (supabase_id) references auth.users (id) on delete cascade'),
      ('public.chat_threads', 'chat_threads_thread_id_check',
       $sql$check (coalesce(
         thread_id = user_a_mongo_id || '__' || user_b_mongo_id
         and user_a_mongo_id < user_b_mongo_id collate "C"
         and chat_private.is_mongo_id(user_a_mongo_id) and chat_private.is_mongo_id(user_b_mongo_id),
         false))$sql$),
      ('public.chat_threads', 'chat_threads_last_seq_check', 'check (last_seq >= 0)'),
      ('public.chat_threads', 'chat_threads_user_a_supabase_id_fkey',
       'foreign key (user_a_supabase_id) references public.chat_identities (supabase_id) on delete set null'),
      ('public.chat_threads', 'chat_threads_user_b_supabase_id_fkey',
       'foreign key (user_b_supabase_id) references public.chat_identities (supabase_id) on delete set null'),
      ('public.chat_messages', 'chat_messages_thread_id_fkey',
       'foreign key (thread_id) references public.chat_threads (thread_id)'),
      ('public.chat_messages', 'chat_messages_people_check',
       -- What was erased may be from before this version, and in a thread that is no pair's.
       $sql$check (body = '' or thread_id in (sender_mongo_id || '__' || recipient_mongo_id, recipient_mongo_id || '__' || sender_mongo_id))$sql$),
      ('public.chat_messages', 'chat_messages_body_check',
       $sql$check (body = '' or btrim(body, E' \t\n\x0b\f\r') <> '' and char_length(body) <= 4000)$sql$),
      ('public.chat_messages', 'chat_messages_seq_check', 'check (seq > 0)'),
      -- Becomes the columns' NOT NULL in the last file, which finds no row to look at then.
      ('public.chat_messages', 'chat_messages_numbered_check', 'check (seq is not null and created_at is not null)')
    ) as promises (relation, name, definition)
  loop
    if not exists (select from pg_catalog.pg_constraint
                    where conrelid = promise.relation::regclass and conname = promise.name)
       and not (promise.name = 'chat_messages_numbered_check'
                and (select bool_and(attnotnull) from pg_catalog.pg_attribute
                      where attrelid = promise.relation::regclass and attname in ('seq', 'created_at'))) then
      execute format('alter table %s add constraint %I %s not valid', promise.relation, promise.name, promise.definition);
    end if;
  end loop;
end
$$;

comment on table public.chat_identities is
  'Which Supabase user is which Mongo user: the trusted link, written by the backend alone (link_chat_identity). Goes with the account.';
comment on table public.chat_threads is
  'One thread of two people. Written by the backend (ensure_chat_thread) and, for last_seq and last_message_at, by the trigger of chat_messages.';
comment on column public.chat_threads.thread_id is
  'The two Mongo ids, sorted by bytes (collation "C") and joined by two underscores.';
comment on column public.chat_threads.user_a_supabase_id is
  'Null until the person has signed in once; they can be written to before.';
comment on column public.chat_threads.user_b_supabase_id is
  'Null until the person has signed in once; they can be written to before.';
comment on column public.chat_threads.last_seq is 'The number of the newest message; 0 where there is none.';
comment on column public.chat_threads.last_rev is 'The number of the newest change of a message; 0 where there is none.';
comment on table public.chat_messages is
  'The truth about what was said; broadcasts only announce it. No user updates or deletes a row but by the API''s functions; erase_chat_person empties bodies.';
comment on column public.chat_messages.id is 'May be made by the client, which makes a repeated send harmless.';
comment on column public.chat_messages.seq is
  '1, 2, 3, … without a hole in each thread, in the order of commits. Set by the database.';
comment on column public.chat_messages.created_at is
  'Set by the database, and later than that of the message before; only messages from before seq may share one.';
comment on column public.chat_messages.body is 'Not blank, at most 4000 characters. Empty where the message was unsent or erased (erase_chat_person).';

commit;

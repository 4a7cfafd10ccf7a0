-- The tables of the chat, and the trigger that numbers messages. Made if missing; tables that are there already, with
-- or without rows, gain what they lack. Locks are taken for a moment only, and given up rather than queued for.
--
-- Each file brings its transactions itself: some ways of applying it (`psql -f`, `supabase db push` from CLI 2.115 on) give
-- it none, and without one a lock ends with its statement and `set local` does nothing. What a transaction makes it also
-- secures: older projects grant everything on a new table or function to everyone by default.
begin;
set local lock_timeout = '5s';

create schema if not exists chat_private;
revoke all on schema chat_private from public, anon, authenticated, service_role;
comment on schema chat_private is 'What the chat''s triggers, policies and constraints call. Not exposed by the API; nobody needs a right to it.';

create table if not exists public.chat_identities (
  mongo_id text not null,
  supabase_id uuid not null,
  constraint chat_identities_pkey primary key (mongo_id)
);
-- Nobody may plant an identity. The two tables below are closed where they are new; ones that are in use keep their rights
-- until the file that says who may do what.
alter table public.chat_identities enable row level security;
revoke all on public.chat_identities from public, anon, authenticated;

do $$
begin
  if to_regclass('public.chat_threads') is null then
    create table public.chat_threads (
      thread_id text not null,
      user_a_mongo_id text,
      user_b_mongo_id text,
      user_a_supabase_id uuid,
      user_b_supabase_id uuid,
      created_at timestamptz default now(),
      last_message_at timestamptz,
      constraint chat_threads_pkey primary key (thread_id)
    );
    alter table public.chat_threads enable row level security;
    revoke all on public.chat_threads from public, anon, authenticated, service_role;
  end if;
end
$$;
-- Every send updates its thread's row; room on the page keeps that update away from the indexes (HOT).
alter table public.chat_threads set (fillfactor = 80);

do $$
begin
  if to_regclass('public.chat_messages') is null then
    create table public.chat_messages (
      id uuid not null default gen_random_uuid(),
      thread_id text not null,
      sender_supabase_id uuid not null,
      sender_mongo_id text not null,
      recipient_mongo_id text not null,
      body text not null,
      created_at timestamptz default now(),
      constraint chat_messages_pkey primary key (id)
    );
    alter table public.chat_messages enable row level security;
    revoke all on public.chat_messages from public, anon, authenticated, service_role;
  end if;
end
$$;

create index if not exists chat_messages_thread_id_created_at_idx on public.chat_messages (thread_id, created_at);
create index if not exists chat_messages_thread_id_id_idx on public.chat_messages (thread_id, id);

-- A thread whose last_seq is null has messages that are not numbered yet (the next two files do it); until then a new
-- message of that thread stays without a number, too.
-- Messages first, here and in the files that follow: it is the order in which a send and a read lock the two tables.
alter table public.chat_messages add column if not exists seq bigint;
alter table public.chat_threads add column if not exists last_seq bigint;
alter table public.chat_threads alter column last_seq set default 0;
-- The same for changes of messages (20261128000001). Here, since the inbox tells it as well, and either file may be left out.
alter table public.chat_threads add column if not exists last_rev bigint not null default 0;

create or replace function chat_private.check_body(_body text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if _body is null or btrim(_body, E' \t\n\x0b\f\r') = '' then
    raise exception 'A message must not be empty.' using errcode = 'check_violation';
  elsif char_length(_body) > 4000 then
    raise exception 'A message holds at most 4000 characters; this one has %.', char_length(_body)
      using errcode = 'check_violation';
  end if;
end
$$;
comment on function chat_private.check_body(text) is 'Refuses, with 23514, what a person may not write.';
revoke all on function chat_private.check_body(text) from public, anon, authenticated, service_role;

-- Holding the thread's row until commit is what makes seq gapless and its order the order of commits: a sequence leaves
-- holes after a rollback, and now() is the time at which a transaction began. The count in the thread's row is moved
-- only after the insert, since one that ends in `on conflict do nothing` comes through here and must not use a number up.
create or replace function chat_private.number_message() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  caller constant uuid := auth.uid();
  thread record;
  latest record;
begin
  -- A restore (pg_dump --data-only) brings its numbers and times along and announces nothing. It is one where a number is
  -- given by who is no user and does not come through the API: PostgREST logs in as `authenticator` and sets claims.
  if new.seq is not null and caller is null and session_user <> 'authenticator'
     and coalesce(current_setting('request.jwt.claims', true), '') = '' then
    perform set_config('chat.restoring', 'true', true);
    new.created_at := coalesce(new.created_at, clock_timestamp());
    return new;
  elsif current_setting('chat.restoring', true) = 'true' then
    perform set_config('chat.restoring', '', true);
  end if;

  perform chat_private.check_body(new.body);

  -- A user speaks only as themselves. This is the policy's business too, but that is asked after this trigger, and by
  -- then a stranger could tell a thread that exists from one that does not, and hold up its row.
  if caller is null or caller = new.sender_supabase_id then
    select t.last_seq, t.last_message_at into thread
      from public.chat_threads t
     where t.thread_id = new.thread_id
       and ((t.user_a_supabase_id = new.sender_supabase_id
             and t.user_a_mongo_id = new.sender_mongo_id and t.user_b_mongo_id = new.recipient_mongo_id)
         or (t.user_b_supabase_id = new.sender_supabase_id
             and t.user_b_mongo_id = new.sender_mongo_id and t.user_a_mongo_id = new.recipient_mongo_id))
       for no key update;
    if found then
      -- Rows of this same statement are counted by this alone.
      select m.seq, m.created_at into latest
        from public.chat_messages m
       where m.thread_id = new.thread_id
       order by m.seq desc
       limit 1;
      new.seq := case when thread.last_seq is not null then greatest(thread.last_seq, latest.seq) + 1 end;
      new.created_at := greatest(
        clock_timestamp(), greatest(thread.last_message_at, latest.created_at) + interval '1 microsecond');
      return new;
    end if;
  end if;
  raise exception 'You cannot send this message: its thread does not exist, or its sender and recipient are not you and the other person of the thread.'
    using errcode = 'insufficient_privilege';
end
$$;
comment on function chat_private.number_message() is
  'BEFORE INSERT on chat_messages: sets seq and created_at, whatever the client gave, under a lock on the thread''s row; refuses with 42501 who may not write there, and with 23514 a body that is empty or too long. Leaves alone what a restore brings.';

create or replace function chat_private.count_message() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- A newer one of the same statement counts for both.
  if exists (select from public.chat_messages m where m.thread_id = new.thread_id and m.seq > new.seq) then
    return null;
  end if;
  -- A restore may bring older messages than the newest.
  update public.chat_threads
     set last_seq = case when last_seq is not null then greatest(last_seq, new.seq) end,
         last_message_at = greatest(last_message_at, new.created_at)
   where thread_id = new.thread_id
     and (last_seq < new.seq or (last_message_at >= new.created_at) is not true);
  return null;
end
$$;
comment on function chat_private.count_message() is
  'AFTER INSERT on chat_messages: the thread''s last_seq and last_message_at, under the lock that number_message took.';

revoke all on function chat_private.number_message() from public, anon, authenticated, service_role;
revoke all on function chat_private.count_message() from public, anon, authenticated, service_role;

create or replace trigger chat_messages_number before insert on public.chat_messages
  for each row execute function chat_private.number_message();
create or replace trigger chat_messages_count after insert on public.chat_messages
  for each row execute function chat_private.count_message();

commit;

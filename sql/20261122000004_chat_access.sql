-- Who may do what: the rights to the tables, their policies, and the functions of the API.
--
-- Short transactions, since on Supabase a statement about a policy locks some twenty tables, those of sign-in among them,
-- until its transaction ends (supautils, src/table_grants.c, looks up each table of its setting policy_grants under an
-- exclusive lock). In this order, so that wherever it stops no door is open and people can go on sending and reading.

begin;
set local lock_timeout = '5s';

alter table public.chat_messages enable row level security;
alter table public.chat_threads enable row level security;
alter table public.chat_identities enable row level security;
revoke all on public.chat_identities, public.chat_threads, public.chat_messages from public, anon, authenticated, service_role;
grant select on public.chat_threads, public.chat_messages to authenticated;
-- Not seq and created_at, which are the database's own.
grant insert (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
  on public.chat_messages to authenticated;
do $$
begin
  if exists (select from pg_catalog.pg_attribute where attrelid = 'public.chat_messages'::regclass and attname = 'reply_to') then
    grant insert (reply_to) on public.chat_messages to authenticated; -- 20261128000001 makes it
  end if;
end
$$;
grant select on public.chat_identities, public.chat_threads, public.chat_messages to service_role;
grant insert on public.chat_identities to service_role;
grant insert (thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id, user_b_supabase_id),
      update (user_a_supabase_id, user_b_supabase_id)
  on public.chat_threads to service_role;

commit;

begin;
set local lock_timeout = '5s';

-- An index of an earlier version; 20261122000003 made one that holds more.
drop index if exists public.chat_threads_user_a_supabase_id_idx, public.chat_threads_user_b_supabase_id_idx;

-- The first and the last of the caller's threads, null for who has none: two looks into an index, however many there are.
-- Both are the thread that the API's functions name while they ask for rows of that one alone: it need not be the caller's,
-- since these are not what decides. Policies call them; nobody else can, having no right to the schema.
create or replace function chat_private.first_thread() returns text
language plpgsql stable parallel safe security definer set search_path = '' as $$
declare
  named constant text := current_setting('chat.thread_id', true);
  caller uuid;
begin
  if named <> '' then
    return named;
  end if;
  caller := auth.uid();
  return least((select min(t.thread_id) from public.chat_threads t where t.user_a_supabase_id = caller),
               (select min(t.thread_id) from public.chat_threads t where t.user_b_supabase_id = caller));
end
$$;
create or replace function chat_private.last_thread() returns text
language plpgsql stable parallel safe security definer set search_path = '' as $$
declare
  named constant text := current_setting('chat.thread_id', true);
  caller uuid;
begin
  if named <> '' then
    return named;
  end if;
  caller := auth.uid();
  return greatest((select max(t.thread_id) from public.chat_threads t where t.user_a_supabase_id = caller),
                  (select max(t.thread_id) from public.chat_threads t where t.user_b_supabase_id = caller));
end
$$;
revoke all on function chat_private.first_thread() from public, anon, authenticated, service_role;
revoke all on function chat_private.last_thread() from public, anon, authenticated, service_role;
grant execute on function chat_private.first_thread() to authenticated;
grant execute on function chat_private.last_thread() to authenticated;
comment on function chat_private.first_thread() is
  'For the policy of chat_messages: the first of the caller''s threads, by thread_id; null where they have none.';
comment on function chat_private.last_thread() is
  'For the policy of chat_messages: the last of the caller''s threads, by thread_id; null where they have none.';

commit;

begin;
set local lock_timeout = '5s';
-- In the order in which a send locks them.
lock table public.chat_messages, public.chat_threads in access exclusive mode;

drop policy if exists chat_threads_select on public.chat_threads;
create policy chat_threads_select on public.chat_threads for select to authenticated
  using (user_a_supabase_id = (select auth.uid()) or user_b_supabase_id = (select auth.uid()));

-- A row is the caller's if its thread is; and which threads are is the policy above's to say: under it, chat_threads has no
-- others. Each row's thread is looked up, so a hundred thousand threads cost no more than one. The API's functions name
-- theirs (chat.thread_id), and that one is looked up once and not for each row; whoever else names one gains nothing, since it
-- is looked up among their own.
--
-- The bounds are for the index: who names no thread has nothing read that is before their first or after their last, and
-- somebody who has none nothing at all. How it is written is for the planner. EXISTS it would turn into a hash of all the
-- caller's threads. With `>=` and `<=` alike it would believe in a narrow range, half a percent of the rows, and with a
-- page of a thread in one row, which any index will do for; `any` spares it that.
drop policy if exists chat_messages_select on public.chat_messages;
create policy chat_messages_select on public.chat_messages for select to authenticated
  using (
    thread_id >= (select chat_private.first_thread())
    and thread_id <= any (array[(select chat_private.last_thread())])
    and (thread_id = (select t.thread_id from public.chat_threads t
                       where t.thread_id = (select current_setting('chat.thread_id', true)))
         or (select t.thread_id from public.chat_threads t where t.thread_id = chat_messages.thread_id) is not null)
  );

drop policy if exists chat_messages_insert on public.chat_messages;
create policy chat_messages_insert on public.chat_messages for insert to authenticated
  with check (sender_supabase_id = (select auth.uid()) and exists (
    select from public.chat_threads t
     where t.thread_id = chat_messages.thread_id
       and ((t.user_a_supabase_id = sender_supabase_id
             and t.user_a_mongo_id = sender_mongo_id and t.user_b_mongo_id = recipient_mongo_id)
         or (t.user_b_supabase_id = sender_supabase_id
             and t.user_b_mongo_id = sender_mongo_id and t.user_a_mongo_id = recipient_mongo_id))
  ));

-- Policies that an earlier version of the chat left under other names would be added to these, and let more people in.
do $$
declare
  old record;
begin
  for old in
    select polname as name, polrelid::regclass as relation
      from pg_catalog.pg_policy
     where polrelid in ('public.chat_identities'::regclass, 'public.chat_threads'::regclass, 'public.chat_messages'::regclass)
       and polname not in ('chat_threads_select', 'chat_messages_select', 'chat_messages_insert')
  loop
    raise notice 'dropping policy % on %', old.name, old.relation;
    execute format('drop policy %I on %s', old.name, old.relation);
  end loop;
end
$$;

commit;

begin;
set local lock_timeout = '5s';

drop function if exists public.insert_chat_message(text, text, text, text);
drop function if exists public.insert_chat_message(text, text, text, text, uuid);

create or replace function public.insert_chat_message(
  _thread_id text, _sender_mongo_id text, _recipient_mongo_id text, _body text, _id uuid default null, _reply_to bigint default null
) returns public.chat_messages
language plpgsql set search_path = '' as $$
declare
  message public.chat_messages;
  violated text;
begin
  -- For its row to be returned, it has to be one that the caller may read: see chat_messages_select.
  perform set_config('chat.thread_id', _thread_id, true);
  if _reply_to is null then
    insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
    values (coalesce(_id, gen_random_uuid()), _thread_id, auth.uid(), _sender_mongo_id, _recipient_mongo_id, _body)
    returning * into message;
  else -- a statement that is first looked at when it is needed: only 20261128000001 makes it possible
    insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, reply_to)
    values (coalesce(_id, gen_random_uuid()), _thread_id, auth.uid(), _sender_mongo_id, _recipient_mongo_id, _body, _reply_to)
    returning * into message;
  end if;
  perform set_config('chat.thread_id', '', true);
  return message;
exception when undefined_column then
  raise exception 'Apply 20261128000001_chat_changes.sql: this database has no replies.' using errcode = 'undefined_function';
when unique_violation then
  get stacked diagnostics violated = constraint_name;
  if violated <> 'chat_messages_pkey' then
    raise;
  end if;
  -- One that was changed since (another device may have, while this one's answer was lost) no longer has its body.
  select * into message from public.chat_messages m
   where m.id = _id and m.thread_id = _thread_id and m.sender_supabase_id = auth.uid()
     and (m.body = _body or to_jsonb(m) ->> 'rev' is not null);
  if not found then
    raise exception 'This message id is taken by another message.'
      using errcode = 'unique_violation', hint = 'Send it under a new id.';
  end if;
  return message;
end
$$;
comment on function public.insert_chat_message(text, text, text, text, uuid, bigint) is
  'Sends a message as the signed-in user and returns its row. With _id it is idempotent: sent again, it returns the row that is there. With _reply_to it answers the message of that number. Errors: 42501 not your thread or not your id, 23514 empty or longer than 4000 characters, or no such number before it, 23505 _id belongs to another message; HTTP status 429 too many messages (chat_limits).';

-- A function and not a filter on the table: at one URL for all threads and pages, a browser asks for leave (CORS) once and
-- not before each read. Every argument has a default so that PostgREST knows the function by its name alone when it is asked
-- for its OPTIONS, by which a page has the browser's preflight made ahead. PL/pgSQL, whose plan the connection keeps: with one in SQL planning was half of the time. The bounds
-- are bare arguments: an expression such as coalesce() is none that row level security lets into an index condition.
create or replace function public.list_chat_messages(
  _thread_id text default null, _after bigint default 0, _before bigint default 9223372036854775807, _limit integer default 50
) returns setof public.chat_messages
language plpgsql stable rows 50 set search_path = '' as $$
begin
  perform set_config('chat.thread_id', _thread_id, true); -- See chat_messages_select.
  return query
  select * from public.chat_messages m
   where m.thread_id = _thread_id and m.seq > _after and m.seq < _before
   order by m.seq desc
   limit _limit;
  perform set_config('chat.thread_id', '', true);
end
$$;
comment on function public.list_chat_messages(text, bigint, bigint, integer) is
  'The newest _limit messages of a thread with _after < seq < _before, newest first; none of a thread that is not the caller''s.';

create or replace function public.link_chat_identity(_mongo_id text, _supabase_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
  if exists (select from public.chat_identities where mongo_id = _mongo_id and supabase_id = _supabase_id) then
    return;
  end if;
  -- Against an ensure_chat_thread that has looked for the link and not yet committed its thread.
  perform pg_advisory_xact_lock(hashtextextended('chat_identity:' || _mongo_id, 0));
  insert into public.chat_identities (mongo_id, supabase_id) values (_mongo_id, _supabase_id)
  on conflict (mongo_id) do nothing;
  if not exists (select from public.chat_identities where mongo_id = _mongo_id and supabase_id = _supabase_id) then
    raise unique_violation;
  end if;
  update public.chat_threads set user_a_supabase_id = _supabase_id
   where user_a_mongo_id = _mongo_id and user_a_supabase_id is distinct from _supabase_id;
  update public.chat_threads set user_b_supabase_id = _supabase_id
   where user_b_mongo_id = _mongo_id and user_b_supabase_id is distinct from _supabase_id;
exception when check_violation or not_null_violation then
  raise exception 'A person needs a Supabase id and a Mongo id of 1 to 119 bytes, without "__", control characters or "_" at an end.'
    using errcode = 'invalid_parameter_value';
when unique_violation then
  raise exception 'This Mongo user or this Supabase user is linked to another one already.'
    using errcode = 'unique_violation', hint = 'Delete the wrong row of chat_identities first; its threads then wait for the right link.';
when foreign_key_violation then
  raise exception 'There is no Supabase user with this id.' using errcode = 'foreign_key_violation';
end
$$;
comment on function public.link_chat_identity(text, uuid) is
  'For the backend (service_role): this Supabase user is this Mongo user. Gives them their threads, those that were made before they first signed in as well. Idempotent. Errors: 22023 bad id, 23503 no such user, 23505 one of the two is linked otherwise.';

create or replace function public.ensure_chat_thread(_mongo_id_1 text, _mongo_id_2 text) returns public.chat_threads
language plpgsql set search_path = '' as $$
declare
  a constant text := least(_mongo_id_1 collate "C", _mongo_id_2 collate "C");
  b constant text := greatest(_mongo_id_1 collate "C", _mongo_id_2 collate "C");
  thread public.chat_threads;
begin
  select * into thread from public.chat_threads where thread_id = a || '__' || b;
  if found then
    return thread;
  end if;
  -- In one order, lest two threads of the same people deadlock; see link_chat_identity.
  perform pg_advisory_xact_lock_shared(hashtextextended('chat_identity:' || a, 0));
  perform pg_advisory_xact_lock_shared(hashtextextended('chat_identity:' || b, 0));
  insert into public.chat_threads (thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id, user_b_supabase_id)
  values (a || '__' || b, a, b,
          (select supabase_id from public.chat_identities where mongo_id = a),
          (select supabase_id from public.chat_identities where mongo_id = b))
  on conflict (thread_id) do nothing;
  select * into strict thread from public.chat_threads where thread_id = a || '__' || b;
  return thread;
exception when check_violation or not_null_violation then
  raise exception 'A thread needs two different Mongo ids of 1 to 119 bytes, without "__", control characters or "_" at an end.'
    using errcode = 'invalid_parameter_value';
end
$$;
comment on function public.ensure_chat_thread(text, text) is
  'For the backend (service_role): the thread of two Mongo users, in either order, made if missing. Idempotent. Error: 22023 bad ids.';

-- With its owner's rights: so the backend can erase without being able to change what people wrote.
create or replace function public.erase_chat_person(_mongo_id text) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  nobody constant uuid := '00000000-0000-0000-0000-000000000000';
  has_changes constant boolean := to_regclass('chat_private.public_messages') is not null; -- 20261128000001 makes it
  account uuid;
  thread record;
  emptied bigint;
  changed bigint;
  total bigint := 0;
  topics text[] := '{}';
begin
  -- As in link_chat_identity. A thread's row is locked before its messages, as in a send.
  perform pg_advisory_xact_lock(hashtextextended('chat_identity:' || _mongo_id, 0));
  select i.supabase_id into account from public.chat_identities i where i.mongo_id = _mongo_id;
  -- Threads that belong to nobody are from before this version; anybody may have written there.
  for thread in
    select thread_id, last_seq, last_rev, user_a_mongo_id, user_b_mongo_id from public.chat_threads
     where user_a_mongo_id = _mongo_id or user_b_mongo_id = _mongo_id or user_a_mongo_id is null or user_b_mongo_id is null
     order by thread_id
       for no key update
  loop
    perform set_config('chat.erasing', 'true', true); -- told of below, and not of each message: see 20261128000001
    update public.chat_messages set body = '', sender_supabase_id = nobody
     where thread_id = thread.thread_id and (sender_mongo_id = _mongo_id or sender_supabase_id = account)
       and (body <> '' or sender_supabase_id <> nobody);
    get diagnostics emptied = row_count;
    if has_changes then
      update public.chat_messages set reaction_a = null
       where thread_id = thread.thread_id and thread.user_a_mongo_id = _mongo_id and reaction_a is not null;
      update public.chat_messages set reaction_b = null
       where thread_id = thread.thread_id and thread.user_b_mongo_id = _mongo_id and reaction_b is not null;
    end if;
    perform set_config('chat.erasing', '', true);
    total := total + emptied;
    select last_rev into changed from public.chat_threads where thread_id = thread.thread_id;
    if emptied > 0 or changed > thread.last_rev then
      topics := topics || ('chat:' || thread.thread_id);
      begin
        perform realtime.send(
          jsonb_build_object('thread_id', thread.thread_id, 'erased', _mongo_id, 'last_seq', thread.last_seq, 'last_rev', changed),
          'CHANGE', 'chat:' || thread.thread_id);
      exception when others then
        raise warning 'thread % was erased but nobody told: %', thread.thread_id, sqlerrm;
      end;
    end if;
  end loop;
  update public.chat_threads set user_a_supabase_id = null
   where user_a_mongo_id = _mongo_id and user_a_supabase_id is not null;
  update public.chat_threads set user_b_supabase_id = null
   where user_b_mongo_id = _mongo_id and user_b_supabase_id is not null;
  if to_regclass('chat_private.send_buckets') is not null then -- 20261122000007 makes it
    delete from chat_private.send_buckets where supabase_id = account;
  end if;
  if to_regclass('public.chat_markers') is not null then -- 20261127000001 makes it; mark_chat locks in this order
    perform from public.chat_markers m where m.supabase_id = account order by m.thread_id for update;
  end if;
  delete from public.chat_identities where mongo_id = _mongo_id; -- and with it their markers and their inbox
  -- Realtime keeps what it broadcast for three days and may replay it to who joins.
  begin
    update realtime.messages
       set payload = jsonb_set(payload, '{record}',
             payload -> 'record' || jsonb_build_object('body', '', 'sender_supabase_id', nobody))
     where topic = any (topics) and payload -> 'record' ->> 'sender_mongo_id' = _mongo_id;
    update realtime.messages set payload = jsonb_set(payload, '{body}', '""')
     where topic = any (topics) and event = 'CHANGE' and payload ->> 'sender_mongo_id' = _mongo_id and payload ->> 'body' <> '';
    update realtime.messages set payload = jsonb_set(payload, '{message,body}', '""')
     where topic like 'chat-inbox:%' and payload -> 'message' ->> 'sender_mongo_id' = _mongo_id
       and payload -> 'message' ->> 'body' <> '';
  exception when others then
    raise warning 'Realtime goes on holding what % wrote in the last three days: %', _mongo_id, sqlerrm;
  end;
  return total;
end
$$;
comment on function public.erase_chat_person(text) is
  'For the backend (service_role): empties every message that this Mongo user wrote, unlinks them from their account and their threads, and tells open pages (event CHANGE). Numbers and times stay. Returns how many messages were emptied. Idempotent.';

revoke all on function public.insert_chat_message(text, text, text, text, uuid, bigint) from public, anon, authenticated, service_role;
revoke all on function public.list_chat_messages(text, bigint, bigint, integer) from public, anon, authenticated, service_role;
revoke all on function public.link_chat_identity(text, uuid) from public, anon, authenticated, service_role;
revoke all on function public.ensure_chat_thread(text, text) from public, anon, authenticated, service_role;
revoke all on function public.erase_chat_person(text) from public, anon, authenticated, service_role;
grant execute on function public.insert_chat_message(text, text, text, text, uuid, bigint) to authenticated;
grant execute on function public.list_chat_messages(text, bigint, bigint, integer) to authenticated;
grant execute on function public.link_chat_identity(text, uuid) to service_role;
grant execute on function public.ensure_chat_thread(text, text) to service_role;
grant execute on function public.erase_chat_person(text) to service_role;

commit;

notify pgrst, 'reload schema';

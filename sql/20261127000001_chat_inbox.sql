-- The inbox: who wrote, how many messages are unread, and what the other person has seen. Optional: who shows neither an
-- inbox nor receipts can leave this file out. It needs all the files before it.
--
-- Nobody has a right to the tables here. What is asked of them goes through functions that look up the caller themselves
-- and run with their owner's rights, in chat_private; the API's functions only call those. They can, having no right to
-- that schema: a body that is parsed when it is made (`return …`) holds the function and not its name.

-- What was said before there was an inbox counts as read, so that nobody gets a badge for old talk. Kept for each thread and
-- not as markers of its people: who is linked later has read it as well. Only where the table is new; it is never added to.
begin;
set local statement_timeout = 0;
set local lock_timeout = '5s';

do $$
begin
  if to_regclass('chat_private.inbox_starts') is null then
    create table chat_private.inbox_starts (
      thread_id text not null,
      seq bigint not null
    );
    alter table chat_private.inbox_starts enable row level security;
    revoke all on chat_private.inbox_starts from public, anon, authenticated, service_role;
    insert into chat_private.inbox_starts (thread_id, seq)
    select t.thread_id, t.last_seq from public.chat_threads t where t.last_seq > 0;
    -- At the end, since it keeps people from sending until the transaction does.
    alter table chat_private.inbox_starts
      add constraint inbox_starts_pkey primary key (thread_id),
      add constraint inbox_starts_thread_id_fkey foreign key (thread_id) references public.chat_threads (thread_id) on delete cascade;
  end if;
end
$$;
comment on table chat_private.inbox_starts is
  'The newest message of each thread when the inbox was installed: up to it everything counts as read, by both people.';

commit;

begin;
set local lock_timeout = '5s';

do $$
begin
  if to_regclass('public.chat_markers') is null then
    create table public.chat_markers (
      thread_id text not null,
      supabase_id uuid not null,
      read_seq bigint not null default 0,
      delivered_seq bigint not null default 0,
      read_at timestamptz,
      receipts boolean not null default true,
      constraint chat_markers_pkey primary key (thread_id, supabase_id),
      constraint chat_markers_thread_id_fkey foreign key (thread_id) references public.chat_threads (thread_id) on delete cascade,
      constraint chat_markers_supabase_id_fkey
        foreign key (supabase_id) references public.chat_identities (supabase_id) on delete cascade,
      constraint chat_markers_read_seq_check check (read_seq >= 0),
      constraint chat_markers_delivered_seq_check check (delivered_seq >= read_seq)
    ) with (fillfactor = 70); -- room for HOT updates
    alter table public.chat_markers enable row level security;
    revoke all on public.chat_markers from public, anon, authenticated, service_role;
  end if;
end
$$;
revoke all on public.chat_markers from public, anon, authenticated, service_role;
create index if not exists chat_markers_supabase_id_thread_id_idx on public.chat_markers (supabase_id, thread_id);
comment on table public.chat_markers is
  'How far each person has read their threads. Written by mark_chat alone; nobody has a right to it. Goes with the link.';
comment on column public.chat_markers.read_seq is 'The newest message that the person has seen. Never goes back.';
comment on column public.chat_markers.delivered_seq is
  'The newest message that a device of theirs has got; what was read was delivered. Never goes back.';
comment on column public.chat_markers.receipts is 'Whether the other person may know, which lets this one know of the other.';

do $$
begin
  if to_regclass('chat_private.inboxes') is null then
    create table chat_private.inboxes (
      supabase_id uuid not null,
      used_on date not null,
      constraint inboxes_pkey primary key (supabase_id),
      constraint inboxes_supabase_id_fkey
        foreign key (supabase_id) references public.chat_identities (supabase_id) on delete cascade
    ) with (fillfactor = 70);
    alter table chat_private.inboxes enable row level security;
    revoke all on chat_private.inboxes from public, anon, authenticated, service_role;
  end if;
end
$$;
comment on table chat_private.inboxes is
  'On which day each person last opened an inbox: who has not for 30 days is told nothing there, and costs no broadcast.';

-- A thread as each of its two people has it.
create or replace view chat_private.sides as
  select t.thread_id, t.last_seq, coalesce(t.last_message_at, t.created_at) as at,
         t.user_a_supabase_id as supabase_id, t.user_a_mongo_id as mongo_id,
         t.user_b_supabase_id as other_supabase_id, t.user_b_mongo_id as other_mongo_id, t.last_rev
    from public.chat_threads t
  union all
  select t.thread_id, t.last_seq, coalesce(t.last_message_at, t.created_at),
         t.user_b_supabase_id, t.user_b_mongo_id,
         t.user_a_supabase_id, t.user_a_mongo_id, t.last_rev
    from public.chat_threads t;
revoke all on chat_private.sides from public, anon, authenticated, service_role;
comment on view chat_private.sides is 'Each thread twice, as each of its two people has it.';

-- Up to a number, for an answer that names it: what is sent meanwhile is in neither.
create or replace function chat_private.count_unread(_thread_id text, _sender_mongo_id text, _after bigint, _upto bigint) returns bigint
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select count(*) from (
    select from public.chat_messages m
     where m.thread_id = _thread_id and m.seq > _after and m.seq <= _upto
       and m.sender_mongo_id = _sender_mongo_id and m.body <> ''
     limit 100) unread);
end
$$;
comment on function chat_private.count_unread(text, text, bigint, bigint) is
  'How many messages of _sender_mongo_id a thread has with _after < seq <= _upto, at most 100. Unsent and erased ones do not count.';

create or replace function chat_private.uses_inbox(_supabase_id uuid) returns boolean
language plpgsql stable security definer set search_path = '' as $$
begin
  return exists (select from chat_private.inboxes i
                  where i.supabase_id = _supabase_id and i.used_on > (now() at time zone 'utc')::date - 30);
end
$$;
comment on function chat_private.uses_inbox(uuid) is 'Whether this person has opened an inbox in the last 30 days.';

-- One statement, so that the lines, the total and the rest are of one moment. STABLE: sync_chat's moment, where that asks.
-- What it costs is mostly how it is planned. One plan is kept for everybody, since making one takes longer than the rest.
-- That one expects two threads a person (see 20261122000003) and would compare each thread with each marker, in a nested
-- loop: a FULL join can be none. What count_unread counts is counted in place, since a call costs as much as what it looks
-- up. And json, since jsonb would be taken apart again to be sent; of rows, which takes half as long as of named values.
create or replace function chat_private.inbox_page(_caller uuid, _limit integer, _before jsonb, _digest text) returns json
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan as $$
declare
  before_at constant timestamptz := _before ->> 'at';
  before_thread constant text := _before ->> 'thread_id';
  threads json;
  unread bigint;
  has_more boolean;
  digest text;
begin
  if (_limit between 1 and 250) is not true then
    raise exception 'Ask for 1 to 250 threads.' using errcode = 'invalid_parameter_value';
  elsif _before is not null and (before_at is null or before_thread is null) then
    raise exception 'The page before ended with {"at": …, "thread_id": …}.' using errcode = 'invalid_parameter_value';
  end if;
  with mine as materialized (
    select t.*,
           case when t.last_seq > t.read then (
             select count(*) from (
               select from public.chat_messages m
                where m.thread_id = t.thread_id and m.seq > t.read and m.seq <= t.last_seq
                  and m.sender_mongo_id = t.other_mongo_id and m.body <> ''
                limit 100) unread) else 0 end as unread
      from (select s.thread_id, s.last_seq, s.last_rev, s.at, s.other_supabase_id, s.other_mongo_id, m.delivered_seq, m.receipts,
                   coalesce(m.read_seq, (select b.seq from chat_private.inbox_starts b where b.thread_id = s.thread_id), 0) as read
              from (select * from chat_private.sides s where s.supabase_id = _caller and s.last_seq > 0) s
              full join (select * from public.chat_markers m where m.supabase_id = _caller) m on m.thread_id = s.thread_id
            offset 0) t
     where t.thread_id is not null
  ),
  ahead as materialized (
    select m.*
      from mine m
     where _before is null or (m.at, m.thread_id collate "C") < (before_at, before_thread)
     order by m.at desc, m.thread_id collate "C" desc
     limit _limit + 1
  ),
  lines as (
    select a.*, m.id, m.sender_mongo_id, m.body, m.created_at,
           coalesce(o.read_seq, (select b.seq from chat_private.inbox_starts b where b.thread_id = a.thread_id), 0) as other_read,
           coalesce(o.delivered_seq, (select b.seq from chat_private.inbox_starts b where b.thread_id = a.thread_id), 0) as other_delivered,
           a.receipts is not false and o.receipts is not false as shown,
           -- A column that only 20261128000001 makes.
           case when m.body = '' then to_jsonb(m) ->> 'deleted_at' is not null end as deleted
      from (select a.* from ahead a order by a.at desc, a.thread_id collate "C" desc limit _limit) a
      left join public.chat_messages m on m.thread_id = a.thread_id and m.seq = a.last_seq
      left join public.chat_markers o on o.thread_id = a.thread_id and o.supabase_id = a.other_supabase_id
  )
  select coalesce(json_agg(line order by l.at desc, l.thread_id collate "C" desc), '[]'),
         (select coalesce(sum(m.unread), 0) from mine m),
         (select count(*) > _limit from ahead)
    into threads, unread, has_more
    from lines l,
         lateral (
           select l.thread_id, l.other_mongo_id, l.last_seq, l.last_rev, l.at as last_message_at,
                  case when l.deleted then json_build_object(
                    'id', l.id, 'sender_mongo_id', l.sender_mongo_id, 'body', '', 'created_at', l.created_at, 'seq', l.last_seq, 'deleted', true)
                  when l.id is not null then (
                    select row_to_json(preview)
                      from (select l.id, l.sender_mongo_id, left(l.body, 200) as body, l.created_at, l.last_seq as seq) preview) end as message,
                  l.unread, l.read, coalesce(l.delivered_seq, l.read) as delivered,
                  case when l.shown then l.other_read else 0 end as other_read,
                  case when l.shown then l.other_delivered else 0 end as other_delivered) line;
  digest := md5(concat(threads, unread, has_more));
  if digest = _digest then
    return json_build_object('digest', digest);
  end if;
  return json_build_object('threads', threads, 'unread', unread, 'has_more', has_more, 'digest', digest);
end
$$;
comment on function chat_private.inbox_page(uuid, integer, jsonb, text) is
  'What list_chat_threads answers this person.';

-- For sync_chat. The rule is inbox_page's: what one person is shown of the other is mutual.
create or replace function chat_private.thread_markers(_caller uuid, _thread_id text) returns jsonb
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan as $$
begin
  return (
    select jsonb_build_object(
             'read', coalesce(m.read_seq, b.seq, 0), 'delivered', coalesce(m.delivered_seq, b.seq, 0),
             'other_read', case when shown then coalesce(o.read_seq, b.seq, 0) else 0 end,
             'other_delivered', case when shown then coalesce(o.delivered_seq, b.seq, 0) else 0 end)
      from chat_private.sides s
      left join public.chat_markers m on m.thread_id = s.thread_id and m.supabase_id = s.supabase_id
      left join public.chat_markers o on o.thread_id = s.thread_id and o.supabase_id = s.other_supabase_id
      left join chat_private.inbox_starts b on b.thread_id = s.thread_id,
           lateral (select coalesce(m.receipts, true) and coalesce(o.receipts, true) as shown) mutual
     where s.thread_id = _thread_id and s.supabase_id = _caller);
end
$$;
comment on function chat_private.thread_markers(uuid, text) is
  'How far a person and the other one have read one of their threads, as members of sync_chat''s answer; null for who is not in it.';

-- VOLATILE, for the note, which a transaction that reads only (a GET) goes without.
create or replace function chat_private.list_chat_threads(_limit integer, _before jsonb, _digest text) returns json
language plpgsql security definer set search_path = '' as $$
declare
  caller constant uuid := auth.uid();
  today constant date := (now() at time zone 'utc')::date;
begin
  if current_setting('transaction_read_only') = 'off'
     and not exists (select from chat_private.inboxes i where i.supabase_id = caller and i.used_on >= today) then
    insert into chat_private.inboxes as b (supabase_id, used_on)
    select i.supabase_id, today from public.chat_identities i where i.supabase_id = caller
    on conflict (supabase_id) do update set used_on = greatest(b.used_on, excluded.used_on);
  end if;
  return chat_private.inbox_page(caller, _limit, _before, _digest);
end
$$;
comment on function chat_private.list_chat_threads(integer, jsonb, text) is
  'inbox_page, and the note, once a day, that the caller uses an inbox.';

-- Never fails the mark, as broadcast_message never fails the message. _receipts: both people's.
create or replace function chat_private.announce_mark(
  _side chat_private.sides, _read bigint, _delivered bigint, _unread bigint, _receipts boolean
) returns void
language plpgsql security definer set search_path = '' as $$
declare
  told constant jsonb := jsonb_build_object(
    'thread_id', _side.thread_id, 'mongo_id', _side.mongo_id, 'read', _read, 'delivered', _delivered);
begin
  if chat_private.uses_inbox(_side.supabase_id) then
    perform realtime.send(told || jsonb_build_object('last_seq', _side.last_seq, 'last_rev', _side.last_rev, 'unread', _unread),
                          'MARK', 'chat-inbox:' || _side.supabase_id, true);
  end if;
  if _receipts then
    perform realtime.send(told, 'MARK', 'chat:' || _side.thread_id, true);
    if chat_private.uses_inbox(_side.other_supabase_id) then
      perform realtime.send(told, 'MARK', 'chat-inbox:' || _side.other_supabase_id, true);
    end if;
  end if;
exception when others then
  raise warning 'the marker of % in % was moved but nobody told: %', _side.mongo_id, _side.thread_id, sqlerrm;
end
$$;
comment on function chat_private.announce_mark(chat_private.sides, bigint, bigint, bigint, boolean) is
  'Tells where a person''s marker stands now: their own inbox and, if both have receipts, the thread''s topic and the other''s inbox.';

-- The threads are read and not locked: a last_seq that has grown meanwhile only leaves a marker further behind than it may
-- go. Markers are locked in the order of their threads, so that two calls of one person do not deadlock. Small statements,
-- since one that joined all of it would take longer to begin than they to end.
create or replace function chat_private.mark_chat(_marks jsonb, _receipts boolean) returns jsonb
language plpgsql security definer set search_path = '' set plan_cache_mode = force_generic_plan as $$
declare
  caller constant uuid := auth.uid();
  wanted record;
  side chat_private.sides;
  before record;
  other record;
  read bigint;
  delivered bigint;
  receipts boolean;
  unread bigint;
  moved boolean;
  shown boolean;
  threads jsonb := '[]';
begin
  if (case when jsonb_typeof(_marks) = 'array' then jsonb_array_length(_marks) else 0 end) not between 1 and 100
     or _receipts is null then
    raise exception 'Mark 1 to 100 threads: [{"thread_id": …, "read": …, "delivered": …}, …], with or without receipts.'
      using errcode = 'invalid_parameter_value';
  end if;
  for wanted in
    select m.value ->> 'thread_id' as thread_id, max((m.value ->> 'read')::bigint) as read, max((m.value ->> 'delivered')::bigint) as delivered
      from jsonb_array_elements(_marks) m (value) group by 1 order by 1
  loop
    select * into side from chat_private.sides s where s.thread_id = wanted.thread_id and s.supabase_id = caller;
    continue when not found;
    select m.read_seq, m.delivered_seq, m.receipts into before
      from public.chat_markers m where m.thread_id = side.thread_id and m.supabase_id = caller;
    if not found then
      -- A marker goes with the link; who is in a thread from before the links has none yet, and can have no marker.
      select coalesce(b.seq, 0) as read_seq, coalesce(b.seq, 0) as delivered_seq, null::boolean as receipts into before
        from public.chat_identities i left join chat_private.inbox_starts b on b.thread_id = side.thread_id
       where i.supabase_id = caller;
      continue when not found;
    end if;
    read := least(greatest(wanted.read, before.read_seq), side.last_seq);
    delivered := least(greatest(wanted.delivered, before.delivered_seq, read), side.last_seq);
    moved := read > before.read_seq or delivered > before.delivered_seq;
    if moved or coalesce(before.receipts, true) <> _receipts then
      insert into public.chat_markers as m (thread_id, supabase_id, read_seq, delivered_seq, read_at, receipts)
      values (side.thread_id, caller, read, delivered, case when read > before.read_seq then clock_timestamp() end, _receipts)
      on conflict (thread_id, supabase_id) do update
         set read_seq = greatest(m.read_seq, excluded.read_seq),
             delivered_seq = greatest(m.delivered_seq, excluded.delivered_seq),
             read_at = case when excluded.read_seq > m.read_seq then excluded.read_at else m.read_at end,
             receipts = excluded.receipts
       where excluded.read_seq > m.read_seq or excluded.delivered_seq > m.delivered_seq or excluded.receipts <> m.receipts
      returning m.read_seq, m.delivered_seq, m.receipts into read, delivered, receipts;
      if not found then
        moved := false; -- Another device has just done it.
        select m.read_seq, m.delivered_seq, m.receipts into read, delivered, receipts
          from public.chat_markers m where m.thread_id = side.thread_id and m.supabase_id = caller;
      end if;
      side.last_seq := greatest(side.last_seq, delivered); -- Where another device has been further.
    else
      read := before.read_seq;
      delivered := before.delivered_seq;
      receipts := coalesce(before.receipts, true);
    end if;
    select o.read_seq, o.delivered_seq, o.receipts into other
      from public.chat_markers o where o.thread_id = side.thread_id and o.supabase_id = side.other_supabase_id;
    if not found then
      other.read_seq := coalesce((select b.seq from chat_private.inbox_starts b where b.thread_id = side.thread_id), 0);
      other.delivered_seq := other.read_seq;
      other.receipts := true;
    end if;
    shown := receipts and other.receipts;
    unread := 0;
    if side.last_seq > read then
      unread := chat_private.count_unread(side.thread_id, side.other_mongo_id, read, side.last_seq);
    end if;
    if moved then
      perform chat_private.announce_mark(side, read, delivered, unread, shown);
    end if;
    -- What thread_markers answers.
    threads := threads || jsonb_build_object(
      'thread_id', side.thread_id, 'last_seq', side.last_seq, 'last_rev', side.last_rev, 'unread', unread, 'read', read, 'delivered', delivered,
      'other_read', case when shown then other.read_seq else 0 end,
      'other_delivered', case when shown then other.delivered_seq else 0 end);
  end loop;
  return jsonb_build_object('threads', threads);
end
$$;
comment on function chat_private.mark_chat(jsonb, boolean) is
  'Moves the caller''s markers, never back and never beyond the thread''s newest message, and tells who may know.';

create or replace function chat_private.announce_thread() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  person uuid;
begin
  -- As in broadcast_message: nothing that is restored, and of one statement only the newest.
  if current_setting('chat.restoring', true) = 'true'
     or exists (select from public.chat_messages m where m.thread_id = new.thread_id and m.seq > new.seq) then
    return null;
  end if;
  for person in
    select p.id
      from public.chat_threads t, lateral (values (t.user_a_supabase_id), (t.user_b_supabase_id)) p (id)
     where t.thread_id = new.thread_id and chat_private.uses_inbox(p.id)
  loop
    perform realtime.send(
      jsonb_build_object('thread_id', new.thread_id, 'last_seq', new.seq, 'message', jsonb_build_object(
        'id', new.id, 'sender_mongo_id', new.sender_mongo_id, 'body', left(new.body, 200),
        'created_at', new.created_at, 'seq', new.seq)),
      'THREAD', 'chat-inbox:' || person, true);
  end loop;
  return null;
exception when others then
  raise warning 'chat message % was saved but no inbox told: %', new.id, sqlerrm;
  return null;
end
$$;
comment on function chat_private.announce_thread() is
  'AFTER INSERT on chat_messages: tells the inboxes of the thread''s two people, as far as they use one, of its newest message. Never fails the insert.';

revoke all on function chat_private.count_unread(text, text, bigint, bigint) from public, anon, authenticated, service_role;
revoke all on function chat_private.uses_inbox(uuid) from public, anon, authenticated, service_role;
revoke all on function chat_private.inbox_page(uuid, integer, jsonb, text) from public, anon, authenticated, service_role;
revoke all on function chat_private.thread_markers(uuid, text) from public, anon, authenticated, service_role;
revoke all on function chat_private.list_chat_threads(integer, jsonb, text) from public, anon, authenticated, service_role;
revoke all on function chat_private.announce_mark(chat_private.sides, bigint, bigint, bigint, boolean)
  from public, anon, authenticated, service_role;
revoke all on function chat_private.mark_chat(jsonb, boolean) from public, anon, authenticated, service_role;
revoke all on function chat_private.announce_thread() from public, anon, authenticated, service_role;
grant execute on function chat_private.list_chat_threads(integer, jsonb, text) to authenticated;
grant execute on function chat_private.mark_chat(jsonb, boolean) to authenticated;

create or replace function public.list_chat_threads(
  _limit integer default 30, _before jsonb default null, _digest text default null
) returns json
language sql set search_path = ''
return chat_private.list_chat_threads(_limit, _before, _digest);
comment on function public.list_chat_threads(integer, jsonb, text) is
  'The caller''s threads that have a message, newest first, with a preview, both people''s markers and what is unread: {"threads", "unread", "has_more", "digest"}. The next page: _before = {"at", "thread_id"} of the last line. With the _digest of the last answer, {"digest"} alone if nothing has changed. Error 22023: not 1 to 250 threads, or a _before that is none.';

create or replace function public.mark_chat(_marks jsonb, _receipts boolean default true) returns jsonb
language sql set search_path = ''
return chat_private.mark_chat(_marks, _receipts);
comment on function public.mark_chat(jsonb, boolean) is
  'Moves the caller''s markers in 1 to 100 threads, [{"thread_id", "read", "delivered"}, …], never back and never beyond the newest message, and answers how they stand: {"threads": [{"thread_id", "last_seq", "last_rev", "unread", "read", "delivered", "other_read", "other_delivered"}]}. Without _receipts the other person is not told, and this one is shown nothing of the other. Threads that are not the caller''s are left out. Error 22023: not such an array.';

revoke all on function public.list_chat_threads(integer, jsonb, text) from public, anon, authenticated, service_role;
revoke all on function public.mark_chat(jsonb, boolean) from public, anon, authenticated, service_role;
grant execute on function public.list_chat_threads(integer, jsonb, text) to authenticated;
grant execute on function public.mark_chat(jsonb, boolean) to authenticated;

commit;

begin;
set local lock_timeout = '5s';

create or replace trigger chat_messages_inbox after insert on public.chat_messages
  for each row execute function chat_private.announce_thread();

commit;

-- A person's topic, chat-inbox:<their auth.uid()>, for them alone to hear; nobody but the database sends there. A short
-- transaction, as in 20261122000005. Neither policy reads a table, so one fence is enough: nobody lacks a right that it needs.
begin;
set local lock_timeout = '5s';

drop policy if exists chat_inbox_receive on realtime.messages;
create policy chat_inbox_receive on realtime.messages for select to authenticated
  using (extension = 'broadcast' and topic = (select realtime.topic())
         and topic = 'chat-inbox:' || (select auth.uid())::text);

drop policy if exists chat_inbox_fence on realtime.messages;
create policy chat_inbox_fence on realtime.messages as restrictive for all to public
  using (topic not like 'chat-inbox:%'
         or pg_has_role('authenticated', 'usage') and extension = 'broadcast' and topic = (select realtime.topic())
            and topic = 'chat-inbox:' || (select auth.uid())::text)
  with check (topic not like 'chat-inbox:%');

commit;

notify pgrst, 'reload schema';

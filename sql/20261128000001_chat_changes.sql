-- Second thoughts: editing and unsending what one wrote, reacting, replying. Optional; it needs all the files before it but the
-- inbox's, and may be applied before that one or after it.
--
-- Changes of a thread's messages have numbers of their own, rev, without a hole, so that a page knows when it missed one: what
-- has changed since is the rows with a greater rev. A row has that of its last change alone.
begin;
set local lock_timeout = '5s';

do $$
begin
  if to_regprocedure('public.insert_chat_message(text,text,text,text,uuid,bigint)') is null
     or not exists (select from pg_catalog.pg_attribute
                     where attrelid = to_regclass('public.chat_limits') and attname = 'unsend_window') then
    raise exception 'The files before this one are not applied yet, or those of an earlier version are.'
      using hint = 'Apply them, and then this one again.';
  end if;
end
$$;

-- Columns that are null in every row there is: the table is not rewritten.
alter table public.chat_messages
  add column if not exists rev bigint,
  add column if not exists edited_at timestamptz,
  add column if not exists deleted_at timestamptz,
  add column if not exists reply_to bigint,
  add column if not exists reaction_a text,
  add column if not exists reaction_b text,
  add column if not exists attachments jsonb;

do $$
declare
  promise record;
begin
  for promise in
    select * from (values
      -- Numbers have no holes: one that is smaller is there.
      ('chat_messages_reply_to_check', 'check (reply_to between 1 and seq - 1)'),
      ('chat_messages_reactions_check', 'check (octet_length(reaction_a) between 1 and 32 and octet_length(reaction_b) between 1 and 32)'),
      ('chat_messages_deleted_check',
       $sql$check (deleted_at is null or body = '' and edited_at is null and reply_to is null and reaction_a is null and reaction_b is null)$sql$),
      ('chat_messages_attachments_check', 'check (attachments is null)') -- room for a later version
    ) as promises (name, definition)
  loop
    if not exists (select from pg_catalog.pg_constraint
                    where conrelid = 'public.chat_messages'::regclass and conname = promise.name) then
      execute format('alter table public.chat_messages add constraint %I %s not valid', promise.name, promise.definition);
    end if;
  end loop;
end
$$;

comment on column public.chat_messages.rev is
  'The number of its last change: 1, 2, 3, … without a hole among all changes of the thread, in the order of commits. Null where it never changed. Set by the database.';
comment on column public.chat_messages.edited_at is 'When its author last edited it (edit_chat_message).';
comment on column public.chat_messages.deleted_at is
  'When its author unsent it (unsend_chat_message): what is left is a tombstone, without body, reply and reactions. Its number stays.';
comment on column public.chat_messages.reply_to is 'The number of the message that it answers.';
comment on column public.chat_messages.reaction_a is 'How user a of the thread reacted: one emoji, at most 32 bytes.';
comment on column public.chat_messages.reaction_b is 'How user b of the thread reacted.';
comment on column public.chat_messages.attachments is 'None yet.';

commit;

-- Writers wait while it looks through the table, though it finds nothing there; sql/README.md tells how long, and how to do
-- without the wait.
begin;
set local statement_timeout = 0;
set local lock_timeout = '5s';

do $$
begin
  if exists (select from pg_catalog.pg_index
              where indexrelid = to_regclass('public.chat_messages_thread_id_rev_key') and not indisvalid) then
    drop index public.chat_messages_thread_id_rev_key;
  end if;
end
$$;
create unique index if not exists chat_messages_thread_id_rev_key on public.chat_messages (thread_id, rev) where rev is not null;

commit;

-- As in 20261122000006: nobody waits.
begin;
set local statement_timeout = 0;
set local lock_timeout = '5s';

do $$
begin
  if exists (select from pg_catalog.pg_constraint
              where conrelid = 'public.chat_messages'::regclass and not convalidated
                and conname in ('chat_messages_reply_to_check', 'chat_messages_reactions_check', 'chat_messages_deleted_check', 'chat_messages_attachments_check')) then
    alter table public.chat_messages -- all by one look at each row
      validate constraint chat_messages_reply_to_check,
      validate constraint chat_messages_reactions_check,
      validate constraint chat_messages_deleted_check,
      validate constraint chat_messages_attachments_check;
  end if;
end
$$;

commit;

begin;
set local lock_timeout = '5s';

-- A message as the API and the broadcasts tell it. What a later version tells is a member more.
create or replace view chat_private.public_messages as
  select m.id, m.thread_id, m.seq, m.rev, m.reply_to,
         jsonb_strip_nulls(jsonb_build_object(
           'id', m.id, 'thread_id', m.thread_id, 'sender_mongo_id', m.sender_mongo_id, 'body', m.body, 'created_at', m.created_at,
           'seq', m.seq, 'rev', m.rev, 'edited_at', m.edited_at, 'deleted_at', m.deleted_at, 'reply_to', m.reply_to,
           'reaction_a', m.reaction_a, 'reaction_b', m.reaction_b)) as message
    from public.chat_messages m;
revoke all on chat_private.public_messages from public, anon, authenticated, service_role;
comment on view chat_private.public_messages is 'Each message with what everybody in its thread is told of it.';

-- As number_message: the thread's row is held until commit. Whoever changes a message has it numbered, the owner in the
-- dashboard as well.
create or replace function chat_private.number_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  last bigint;
begin
  select t.last_rev into last from public.chat_threads t where t.thread_id = new.thread_id for no key update;
  -- Rows of this same statement are counted by this alone.
  new.rev := greatest(last, (select max(m.rev) from public.chat_messages m where m.thread_id = new.thread_id)) + 1;
  return new;
end
$$;
comment on function chat_private.number_change() is
  'BEFORE UPDATE on chat_messages, where something that people are told changes: sets rev, whatever was given, under a lock on the thread''s row.';

create or replace function chat_private.count_change() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- A newer one of the same statement counts for both.
  if exists (select from public.chat_messages m where m.thread_id = new.thread_id and m.rev > new.rev) then
    return null;
  end if;
  update public.chat_threads set last_rev = new.rev where thread_id = new.thread_id and last_rev < new.rev;
  return null;
exception when check_violation then
  return null; -- A thread that is older than its table's constraints does not fit them. It is nobody's; erase_chat_person goes on.
end
$$;
comment on function chat_private.count_change() is
  'AFTER INSERT OR UPDATE on chat_messages, of a row that has a rev: the thread''s last_rev. A restore inserts such rows.';

-- Never fails the change. Not by broadcast_changes: that would tell, and keep for three days, the very text that was unsent.
create or replace function chat_private.announce_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  person uuid;
  told jsonb;
begin
  -- As in broadcast_message: of one statement only the newest. erase_chat_person tells of all of its own at once.
  if current_setting('chat.erasing', true) = 'true' or current_setting('chat.restoring', true) = 'true'
     or exists (select from public.chat_messages m where m.thread_id = new.thread_id and m.rev > new.rev) then
    return null;
  end if;
  perform realtime.send(p.message, 'CHANGE', 'chat:' || new.thread_id, true) from chat_private.public_messages p where p.id = new.id;
  -- What an inbox shows: the newest message, and how many are unread.
  if to_regprocedure('chat_private.uses_inbox(uuid)') is null -- 20261127000001 makes it
     or not (old.deleted_at is null and new.deleted_at is not null)
        and exists (select from public.chat_messages m where m.thread_id = new.thread_id and m.seq > new.seq) then
    return null;
  end if;
  for person in
    select p.id
      from public.chat_threads t, lateral (values (t.user_a_supabase_id), (t.user_b_supabase_id)) p (id)
     where t.thread_id = new.thread_id and chat_private.uses_inbox(p.id)
  loop
    if told is null then
      select jsonb_build_object('thread_id', new.thread_id, 'last_seq', m.seq, 'rev', new.rev, 'message', jsonb_strip_nulls(jsonb_build_object(
               'id', m.id, 'sender_mongo_id', m.sender_mongo_id, 'body', left(m.body, 200), 'created_at', m.created_at, 'seq', m.seq,
               'deleted', case when m.deleted_at is not null then true end)))
        into told
        from public.chat_messages m
       where m.thread_id = new.thread_id
       order by m.seq desc
       limit 1;
    end if;
    perform realtime.send(told, 'THREAD', 'chat-inbox:' || person, true);
  end loop;
  return null;
exception when others then
  raise warning 'chat message % was changed but nobody told: %', new.id, sqlerrm;
  return null;
end
$$;
comment on function chat_private.announce_change() is
  'AFTER UPDATE on chat_messages, where it got a rev: announces the row as it is now to chat:<thread_id> and, where they show it, to the inboxes of the thread''s two people. Never fails the change.';

revoke all on function chat_private.number_change() from public, anon, authenticated, service_role;
revoke all on function chat_private.count_change() from public, anon, authenticated, service_role;
revoke all on function chat_private.announce_change() from public, anon, authenticated, service_role;

commit;

-- The triggers first, so that nothing changes without them. allow_message is the first after an update, as after an insert.
begin;
set local lock_timeout = '5s';

create or replace trigger chat_messages_number_change before update on public.chat_messages
  for each row
  when ((old.body, old.edited_at, old.deleted_at, old.reply_to, old.reaction_a, old.reaction_b)
        is distinct from (new.body, new.edited_at, new.deleted_at, new.reply_to, new.reaction_a, new.reaction_b))
  execute function chat_private.number_change();
create or replace trigger chat_messages_allow_change after update on public.chat_messages
  for each row when (old.rev is distinct from new.rev) execute function chat_private.allow_message();
create or replace trigger chat_messages_broadcast_change after update on public.chat_messages
  for each row when (old.rev is distinct from new.rev) execute function chat_private.announce_change();
create or replace trigger chat_messages_count_change after insert or update on public.chat_messages
  for each row when (new.rev is not null) execute function chat_private.count_change();

commit;

begin;
set local lock_timeout = '5s';

-- Nobody has a right to change a message: this does it for them, having looked who asks. It locks the thread's row before the
-- message, as a send does, and no row of a thread that is not the caller's. What is already as it is asked for gets no number:
-- somebody whose answer was lost asks again.
create or replace function chat_private.change_message(_id uuid, _kind text, _value text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  caller constant uuid := auth.uid();
  thread record;
  before public.chat_messages;
  message public.chat_messages;
  too_old boolean;
begin
  select case when t.user_a_supabase_id = caller then t.user_a_mongo_id else t.user_b_mongo_id end as me, t.user_a_mongo_id as a
    into thread
    from public.chat_threads t
   where t.thread_id = (select m.thread_id from public.chat_messages m where m.id = _id)
     and (t.user_a_supabase_id = caller or t.user_b_supabase_id = caller)
     for no key update;
  if found then
    select * into before from public.chat_messages m where m.id = _id;
  end if;
  if before.id is null or _kind <> 'react' and before.sender_mongo_id <> thread.me then
    raise exception 'This is no message of yours.' using errcode = 'CH403';
  elsif _kind <> 'unsend' and _value is not null and before.body = '' then
    raise exception 'This message is unsent.' using errcode = 'CH409';
  end if;
  -- Seconds, since a month is not always as long.
  select extract(epoch from clock_timestamp() - before.created_at)
         > extract(epoch from case _kind when 'edit' then l.edit_window when 'unsend' then l.unsend_window end)
    into too_old
    from public.chat_limits l;

  message := before;
  case _kind
  when 'edit' then
    message.body := _value;
    if message.body is distinct from before.body then
      perform chat_private.check_body(_value);
      message.edited_at := clock_timestamp();
    end if;
  when 'unsend' then
    if before.deleted_at is null then
      message.body := '';
      message.edited_at := null;
      message.deleted_at := clock_timestamp();
      message.reply_to := null;
      message.reaction_a := null;
      message.reaction_b := null;
    end if;
  when 'react' then
    if octet_length(_value) not between 1 and 32 then
      raise exception 'A reaction is one emoji, of at most 32 bytes.' using errcode = 'check_violation';
    elsif thread.me = thread.a then
      message.reaction_a := _value;
    else
      message.reaction_b := _value;
    end if;
  end case;
  if message is distinct from before then
    if too_old then
      raise exception 'This message is too old for that.' using errcode = 'CH410';
    end if;
    update public.chat_messages m
       set body = message.body, edited_at = message.edited_at, deleted_at = message.deleted_at, reply_to = message.reply_to,
           reaction_a = message.reaction_a, reaction_b = message.reaction_b
     where m.id = _id;
  end if;
  return (select p.message from chat_private.public_messages p where p.id = _id);
end
$$;
comment on function chat_private.change_message(uuid, text, text) is
  'Edits, unsends or reacts to a message as the signed-in user: what edit_chat_message, unsend_chat_message and react_chat_message do.';

-- STABLE, so that all its statements see one snapshot, that of the call: sync_chat's, where that asks. A page that is older
-- than a change which came while it was under way is told by its last_rev.
create or replace function chat_private.thread_page(
  _caller uuid, _thread_id text, _after bigint, _before bigint, _limit integer, _known bigint, _most integer
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  newest record;
  page record;
  quoted jsonb := '[]';
  changes jsonb := '[]';
  answer jsonb;
begin
  select t.last_seq, t.last_rev into newest from public.chat_threads t
   where t.thread_id = _thread_id and (t.user_a_supabase_id = _caller or t.user_b_supabase_id = _caller);
  if not found then
    return null;
  end if;
  select coalesce(jsonb_agg(m.message order by m.seq desc), '[]') as messages, min(m.seq) as first, array_agg(distinct m.reply_to) as originals
    into page
    from (select p.message, p.seq, p.reply_to
            from chat_private.public_messages p
           where p.thread_id = _thread_id and p.seq > _after and p.seq < _before
           order by p.seq desc
           limit _limit) m;
  if page.originals[1] < page.first then
    select coalesce(jsonb_agg((select p.message from chat_private.public_messages p where p.thread_id = _thread_id and p.seq = o.seq)), '[]')
      into quoted
      from unnest(page.originals) o (seq)
     where o.seq < page.first;
  end if;
  answer := jsonb_build_object(
    'last_seq', newest.last_seq, 'last_rev', newest.last_rev, 'messages', page.messages, 'quoted', quoted);
  if _known is null then
    return answer;
  end if;
  if newest.last_rev > _known then
    select case when count(*) <= _most then coalesce(jsonb_agg(m.message order by m.rev), '[]') end
      into changes
      from (select p.message, p.rev
              from chat_private.public_messages p
             where p.thread_id = _thread_id and p.rev > _known
             order by p.rev
             limit _most + 1) m;
  end if;
  return answer || jsonb_build_object('changes', changes);
end
$$;
comment on function chat_private.thread_page(uuid, text, bigint, bigint, integer, bigint, integer) is
  'A page of one of this person''s threads, the originals that it answers and, after _known, what has changed, null where that is more than _most; null where the thread is not theirs.';

create or replace function chat_private.list_chat_page(_thread_id text, _after bigint, _before bigint, _limit integer, _known bigint) returns json
language plpgsql stable security definer set search_path = '' as $$
declare
  page constant jsonb := chat_private.thread_page(auth.uid(), _thread_id, _after, _before, least(_limit, 1000), _known, 200);
begin
  return coalesce(page, '{"last_seq": 0, "last_rev": 0, "messages": [], "quoted": []}') || jsonb_build_object(
    'edit_within', (select extract(epoch from l.edit_window)::bigint from public.chat_limits l),
    'unsend_within', (select extract(epoch from l.unsend_window)::bigint from public.chat_limits l),
    'now', clock_timestamp());
end
$$;
comment on function chat_private.list_chat_page(text, bigint, bigint, integer, bigint) is
  'thread_page of the caller, and the windows.';

revoke all on function chat_private.change_message(uuid, text, text) from public, anon, authenticated, service_role;
revoke all on function chat_private.thread_page(uuid, text, bigint, bigint, integer, bigint, integer)
  from public, anon, authenticated, service_role;
revoke all on function chat_private.list_chat_page(text, bigint, bigint, integer, bigint)
  from public, anon, authenticated, service_role;
grant execute on function chat_private.change_message(uuid, text, text) to authenticated;
grant execute on function chat_private.list_chat_page(text, bigint, bigint, integer, bigint) to authenticated;

-- Parsed when they are made, as sync_chat.
create or replace function public.edit_chat_message(_id uuid, _body text) returns jsonb
language sql set search_path = ''
return chat_private.change_message(_id, 'edit', _body);
comment on function public.edit_chat_message(uuid, text) is
  'Gives a message of the caller''s another body, within chat_limits.edit_window, and returns it as list_chat_page has it. Idempotent. Errors: CH403 no message of theirs, CH409 it is unsent, CH410 it is too old, 23514 empty or longer than 4000 characters; HTTP status 429 too many (chat_limits).';

create or replace function public.unsend_chat_message(_id uuid) returns jsonb
language sql set search_path = ''
return chat_private.change_message(_id, 'unsend', null);
comment on function public.unsend_chat_message(uuid) is
  'Takes a message of the caller''s back, within chat_limits.unsend_window: what is left is its number, and when. Returns it as list_chat_page has it. Idempotent. Errors: CH403 no message of theirs, CH410 it is too old; HTTP status 429 too many (chat_limits).';

create or replace function public.react_chat_message(_id uuid, _emoji text default null) returns jsonb
language sql set search_path = ''
return chat_private.change_message(_id, 'react', _emoji);
comment on function public.react_chat_message(uuid, text) is
  'The caller''s reaction to a message of their thread, in place of the one before; null takes it back. Returns the message as list_chat_page has it. Idempotent. Errors: CH403 no message in a thread of theirs, CH409 it is unsent, 23514 not 1 to 32 bytes; HTTP status 429 too many (chat_limits).';

-- Every argument has a default, as in list_chat_messages.
create or replace function public.list_chat_page(
  _thread_id text default null, _after bigint default 0, _before bigint default 9223372036854775807, _limit integer default 50,
  _known bigint default null
) returns json
language sql stable set search_path = ''
return chat_private.list_chat_page(_thread_id, _after, _before, _limit, _known);
comment on function public.list_chat_page(text, bigint, bigint, integer, bigint) is
  'The newest _limit messages of a thread with _after < seq < _before, newest first, from one snapshot with what else a page needs: {"last_seq", "last_rev", "messages", "quoted", "edit_within", "unsend_within", "now"}. "quoted" has the originals that the messages answer, as far as they are not among them. With _known also "changes": what has a rev greater than that, in their order, or null where that is more than 200. At most 1,000 messages; none of a thread that is not the caller''s.';

revoke all on function public.edit_chat_message(uuid, text) from public, anon, authenticated, service_role;
revoke all on function public.unsend_chat_message(uuid) from public, anon, authenticated, service_role;
revoke all on function public.react_chat_message(uuid, text) from public, anon, authenticated, service_role;
revoke all on function public.list_chat_page(text, bigint, bigint, integer, bigint) from public, anon, authenticated, service_role;
grant execute on function public.edit_chat_message(uuid, text) to authenticated;
grant execute on function public.unsend_chat_message(uuid) to authenticated;
grant execute on function public.react_chat_message(uuid, text) to authenticated;
grant execute on function public.list_chat_page(text, bigint, bigint, integer, bigint) to authenticated;
-- What a reply is sent with.
grant insert (reply_to) on public.chat_messages to authenticated;

notify pgrst, 'reload schema';

commit;

-- Every new message is announced on its thread's private topic, chat:<thread_id>, which only the thread's two people
-- may join. Nobody may send there but the database: there is no INSERT policy, so no client can forge an INSERT.
-- Short transactions, as in the file before.

begin;
set local lock_timeout = '5s';

-- realtime.send warns rather than fails; what else might be raised on the way must not cost the message either.
create or replace function chat_private.broadcast_message() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if current_setting('chat.restoring', true) = 'true' then
    return null; -- See number_message.
  end if;
  -- Of the rows of one statement only a thread's newest is announced: who hears of it finds the hole before it and reads the
  -- rest at once, and the project's message rate is spared. (After the statement, and under the thread's lock: what is newer
  -- is of this statement.)
  if exists (select from public.chat_messages m where m.thread_id = new.thread_id and m.seq > new.seq) then
    return null;
  end if;
  perform realtime.broadcast_changes(
    'chat:' || new.thread_id, tg_op, tg_op, tg_table_name, tg_table_schema, new, null::public.chat_messages);
  return null;
exception when others then
  raise warning 'chat message % was saved but not broadcast: %', new.id, sqlerrm;
  return null;
end
$$;
comment on function chat_private.broadcast_message() is
  'AFTER INSERT on chat_messages: announces the row to chat:<thread_id>, unless it is being restored or a newer one came with it. Never fails the insert.';
revoke all on function chat_private.broadcast_message() from public, anon, authenticated, service_role;

-- A trigger that an earlier version of the chat left under another name would broadcast twice.
do $$
declare
  old record;
begin
  for old in
    select t.tgname as name, t.tgrelid::regclass as relation
      from pg_catalog.pg_trigger t
      join pg_catalog.pg_proc p on p.oid = t.tgfoid
     where t.tgrelid = 'public.chat_messages'::regclass
       and not t.tgisinternal
       and p.pronamespace <> 'chat_private'::regnamespace
       and p.prosrc ~* 'realtime\.(broadcast_changes|send)'
  loop
    raise notice 'dropping trigger % on %', old.name, old.relation;
    execute format('drop trigger %I on %s', old.name, old.relation);
  end loop;
end
$$;
create or replace trigger chat_messages_broadcast after insert on public.chat_messages
  for each row execute function chat_private.broadcast_message();

commit;

begin;
set local lock_timeout = '5s';

-- The policies ask chat_threads as the user who joins. Without the right to read it, nobody could join any topic of the
-- project.
do $$
begin
  if not has_table_privilege('authenticated', 'public.chat_threads', 'select') then
    raise exception 'The file before this one, 20261122000004_chat_access.sql, is not applied yet.'
      using hint = 'Apply it, and then this one again.';
  end if;
end
$$;

-- Realtime asks this at join, as the user, of a probe row that has only a topic and an extension.
drop policy if exists chat_messages_receive on realtime.messages;
create policy chat_messages_receive on realtime.messages for select to authenticated
  using (extension = 'broadcast' and topic = (select realtime.topic()) and exists (
    select from public.chat_threads t
     where t.thread_id = (select substr(realtime.topic(), 6))
       and (select left(realtime.topic(), 5)) = 'chat:'
       and (t.user_a_supabase_id = (select auth.uid()) or t.user_b_supabase_id = (select auth.uid()))
  ));

-- A fence: policies are added to each other, so one from a tutorial that lets everybody into every topic would open the
-- chat's, too. A restrictive policy is asked besides, whatever the others allow. These say nothing about topics that are
-- not the chat's, and are two because a policy that reads chat_threads would fail who may not read it, for any topic.
drop policy if exists chat_topics_fence on realtime.messages;
create policy chat_topics_fence on realtime.messages as restrictive for all to public
  using (topic not like 'chat:%' or pg_has_role('authenticated', 'usage'))
  with check (topic not like 'chat:%');
drop policy if exists chat_topics_fence_people on realtime.messages;
create policy chat_topics_fence_people on realtime.messages as restrictive for all to authenticated
  using (topic not like 'chat:%' or extension = 'broadcast' and topic = (select realtime.topic()) and exists (
    select from public.chat_threads t
     where t.thread_id = (select substr(realtime.topic(), 6))
       and (t.user_a_supabase_id = (select auth.uid()) or t.user_b_supabase_id = (select auth.uid()))
  ))
  with check (topic not like 'chat:%');

-- Policies of an earlier version of the chat, which may let people send.
do $$
declare
  old record;
begin
  for old in
    select polname as name
      from pg_catalog.pg_policy
     where polrelid = 'realtime.messages'::regclass
       and polname not in ('chat_messages_receive', 'chat_topics_fence', 'chat_topics_fence_people')
       and concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~ '\mchat_(threads|messages)\M'
  loop
    raise notice 'dropping policy % on realtime.messages', old.name;
    execute format('drop policy %I on realtime.messages', old.name);
  end loop;
end
$$;

commit;

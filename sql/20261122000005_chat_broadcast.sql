-- Every new message is announced on its thread's private topic, chat:<thread_id>, which only the thread's two people
-- may join. Nobody may send there but the database: there is no INSERT policy, so no client can forge an INSERT.
begin;
set local lock_timeout = '5s';

-- realtime.send warns rather than fails; what else might be raised on the way must not cost the message either.
create or replace function chat_private.broadcast_message() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform realtime.broadcast_changes(
    'chat:' || new.thread_id, tg_op, tg_op, tg_table_name, tg_table_schema, new, null::public.chat_messages);
  return null;
exception when others then
  raise warning 'chat message % was saved but not broadcast: %', new.id, sqlerrm;
  return null;
end
$$;
comment on function chat_private.broadcast_message() is
  'AFTER INSERT on chat_messages: announces the row to chat:<thread_id>. Never fails the insert.';
revoke all on function chat_private.broadcast_message() from public, anon, authenticated, service_role;

create or replace trigger chat_messages_broadcast after insert on public.chat_messages
  for each row execute function chat_private.broadcast_message();

-- Policies of an earlier version of the chat on Realtime's table, which may let people send.
do $$
declare
  old record;
begin
  for old in
    select polname as name
      from pg_catalog.pg_policy
     where polrelid = 'realtime.messages'::regclass
       and polname <> 'chat_messages_receive'
       and concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ~ '\mchat_(threads|messages)\M'
  loop
    raise notice 'dropping policy % on realtime.messages', old.name;
    execute format('drop policy %I on realtime.messages', old.name);
  end loop;
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

commit;

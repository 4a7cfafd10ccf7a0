-- Takes the chat out again: what the numbered files added goes, the messages and the threads stay. Afterwards nobody but
-- `postgres` reaches the two tables: row level security stays on, and without policies it lets nobody in. Applying the
-- numbered files again gives every message the number it had. Applied again itself, it changes nothing.
--
-- Short transactions, since on Supabase a statement about a policy locks some twenty tables, those of sign-in among them,
-- until its transaction ends.

-- First what broadcasts, then who may hear it. The policies go before the rights that they need, without which nobody could
-- join any topic of the project.
begin;
set local lock_timeout = '5s';
do $$
begin
  if to_regclass('public.chat_messages') is not null then
    drop trigger if exists chat_messages_broadcast on public.chat_messages;
    drop trigger if exists chat_messages_inbox on public.chat_messages;
    drop trigger if exists chat_messages_broadcast_change on public.chat_messages;
  end if;
end
$$;
commit;

begin;
set local lock_timeout = '5s';
drop policy if exists chat_messages_receive on realtime.messages;
drop policy if exists chat_topics_fence_people on realtime.messages;
drop policy if exists chat_topics_fence on realtime.messages;
drop policy if exists chat_inbox_receive on realtime.messages;
drop policy if exists chat_inbox_fence on realtime.messages;
commit;

begin;
set local lock_timeout = '5s';
do $$
begin
  if to_regclass('public.chat_messages') is not null then
    drop policy if exists chat_messages_select on public.chat_messages;
    drop policy if exists chat_messages_insert on public.chat_messages;
    drop policy if exists chat_threads_select on public.chat_threads;
  end if;
end
$$;
commit;

begin;
set local lock_timeout = '5s';

drop function if exists public.insert_chat_message(text, text, text, text, uuid, bigint);
drop function if exists public.insert_chat_messages(text, text, text, jsonb);
drop function if exists public.list_chat_messages(text, bigint, bigint, integer);
drop function if exists public.sync_chat(jsonb, jsonb);
drop function if exists public.list_chat_threads(integer, jsonb, text);
drop function if exists public.mark_chat(jsonb, boolean);
drop function if exists public.edit_chat_message(uuid, text);
drop function if exists public.unsend_chat_message(uuid);
drop function if exists public.react_chat_message(uuid, text);
drop function if exists public.list_chat_page(text, bigint, bigint, integer, bigint);
drop table if exists public.chat_markers, chat_private.inboxes;
drop view if exists chat_private.sides cascade; -- with the function that takes a row of it
drop view if exists chat_private.public_messages;
drop function if exists public.link_chat_identity(text, uuid);
drop function if exists public.ensure_chat_thread(text, text);
drop function if exists public.erase_chat_person(text);

do $$
begin
  if to_regclass('public.chat_messages') is null then
    return;
  end if;
  revoke all on public.chat_messages, public.chat_threads from public, anon, authenticated, service_role;

  drop trigger if exists chat_messages_allow on public.chat_messages;
  drop trigger if exists chat_messages_count on public.chat_messages;
  drop trigger if exists chat_messages_number on public.chat_messages;
  drop trigger if exists chat_messages_allow_change on public.chat_messages;
  drop trigger if exists chat_messages_count_change on public.chat_messages;
  drop trigger if exists chat_messages_number_change on public.chat_messages;

  alter table public.chat_messages
    drop constraint if exists chat_messages_thread_id_fkey,
    drop constraint if exists chat_messages_people_check,
    drop constraint if exists chat_messages_body_check,
    drop column if exists seq, -- with their constraints and indexes
    drop column if exists rev,
    drop column if exists edited_at,
    drop column if exists deleted_at,
    drop column if exists reply_to,
    drop column if exists reaction_a,
    drop column if exists reaction_b,
    drop column if exists attachments,
    alter column created_at drop not null;
  alter table public.chat_threads
    drop constraint if exists chat_threads_thread_id_check,
    drop constraint if exists chat_threads_user_a_supabase_id_fkey,
    drop constraint if exists chat_threads_user_b_supabase_id_fkey,
    drop column if exists last_seq,
    drop column if exists last_rev,
    alter column user_a_supabase_id reset (n_distinct),
    alter column user_b_supabase_id reset (n_distinct),
    reset (fillfactor);
end
$$;
drop index if exists
  public.chat_threads_user_a_mongo_id_idx, public.chat_threads_user_b_mongo_id_idx,
  public.chat_threads_user_a_supabase_id_thread_id_idx, public.chat_threads_user_b_supabase_id_thread_id_idx;

-- The links are made anew by the backend, at each person's next visit; the threads keep theirs. (Installed again, their
-- foreign keys are `not valid` until the people are linked and 20261122000006 is applied once more.)
drop table if exists public.chat_identities;
drop table if exists public.chat_limits;
drop schema if exists chat_private cascade;

notify pgrst, 'reload schema';

commit;

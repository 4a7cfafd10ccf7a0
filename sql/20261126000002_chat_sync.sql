-- What is new in several threads, by one request: a page asks this once a poll, however many threads it has open.
begin;
set local lock_timeout = '5s';

drop function if exists public.sync_chat(jsonb);

-- STABLE, so that all its statements see one snapshot, that of the call. What a later version tells is a member more of the
-- answer or of its threads, which an older page does not look at. With its owner's rights, since nobody has one to the
-- markers of the inbox (20261127000001): each thread is looked up as one of the caller's. Who names the newest change that they know of gets what
-- list_chat_page answers, where 20261128000001 is there.
create or replace function chat_private.sync_chat(_threads jsonb, _inbox jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  caller constant uuid := auth.uid();
  has_inbox constant boolean := to_regprocedure('chat_private.inbox_page(uuid,integer,jsonb,text)') is not null;
  has_changes constant boolean := to_regprocedure('chat_private.thread_page(uuid,text,bigint,bigint,integer,bigint,integer)') is not null;
  wanted text;
  known bigint;
  known_rev bigint;
  newest bigint;
  newer jsonb;
  thread jsonb;
  room integer := 500;
  threads jsonb := '[]';
begin
  if (case when jsonb_typeof(_threads) = 'array' then jsonb_array_length(_threads) > 100 else _threads is not null end) then
    raise exception 'Ask for up to 100 threads: [{"thread_id": …, "after": …}, …].' using errcode = 'invalid_parameter_value';
  elsif _inbox is not null and not has_inbox then
    raise exception 'Apply 20261127000001_chat_inbox.sql: this database has no inbox.' using errcode = 'undefined_function';
  end if;
  for wanted, known, known_rev in
    select t.value ->> 'thread_id', coalesce((t.value ->> 'after')::bigint, 0), (t.value ->> 'known')::bigint
      from jsonb_array_elements(_threads) t (value)
  loop
    if has_changes and known_rev is not null then
      thread := chat_private.thread_page(caller, wanted, known, 9223372036854775807, least(room, 50), known_rev, least(room, 200));
      continue when thread is null;
      room := room - jsonb_array_length(thread -> 'messages') - coalesce(jsonb_array_length(nullif(thread -> 'changes', 'null')), 0);
      thread := jsonb_build_object('thread_id', wanted) || thread;
    else
      select t.last_seq into newest from public.chat_threads t
       where t.thread_id = wanted and (t.user_a_supabase_id = caller or t.user_b_supabase_id = caller);
      continue when not found;
      select coalesce(jsonb_agg(to_jsonb(m)), '[]') into newer
        from (select c.id, c.thread_id, c.sender_mongo_id, c.body, c.created_at, c.seq
                from public.chat_messages c
               where c.thread_id = wanted and c.seq > known
               order by c.seq desc
               limit least(room, 50)) m;
      room := room - jsonb_array_length(newer);
      thread := jsonb_build_object('thread_id', wanted, 'last_seq', newest, 'messages', newer);
    end if;
    if has_inbox then
      thread := thread || chat_private.thread_markers(caller, wanted);
    end if;
    threads := threads || thread;
  end loop;
  if _inbox is not null then
    return jsonb_build_object(
      'threads', threads,
      'inbox', chat_private.inbox_page(caller, (_inbox ->> 'limit')::integer, null, _inbox ->> 'digest')::jsonb);
  end if;
  return jsonb_build_object('threads', threads);
end
$$;
comment on function chat_private.sync_chat(jsonb, jsonb) is
  'What is newer in the threads of the caller, and the first page of their inbox.';
revoke all on function chat_private.sync_chat(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function chat_private.sync_chat(jsonb, jsonb) to authenticated;

-- Parsed when it is made, it holds the function and not its name: the caller needs no right to that schema.
create or replace function public.sync_chat(_threads jsonb default null, _inbox jsonb default null) returns jsonb
language sql stable set search_path = ''
return chat_private.sync_chat(_threads, _inbox);
comment on function public.sync_chat(jsonb, jsonb) is
  'What is newer in up to 100 threads, [{"thread_id": text, "after": bigint}, …], from one snapshot: {"threads": [{"thread_id", "last_seq", "messages"}]}, the messages with seq > after, newest first, at most 50 a thread and 500 in all; with the inbox''s file also "read", "delivered", "other_read" and "other_delivered". A thread asked for with "known", the newest change that one knows of, has with the changes'' file also "last_rev", "quoted" and "changes", as list_chat_page has them; messages and changes are 500 in all then. With _inbox, {"limit", "digest"}, also "inbox": what list_chat_threads answers. Threads that are not the caller''s are left out. Errors: 22023 not such an array, 42883 no inbox here.';

revoke all on function public.sync_chat(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.sync_chat(jsonb, jsonb) to authenticated;

notify pgrst, 'reload schema';

commit;

-- What is new in several threads, by one request: a page asks this once a poll, however many threads it has open.
begin;
set local lock_timeout = '5s';

-- STABLE, so that all its statements see one snapshot, that of the call. What a later version tells is a member more of the
-- answer or of its threads, which an older page does not look at.
create or replace function public.sync_chat(_threads jsonb default null) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  wanted text;
  known bigint;
  newest bigint;
  newer jsonb;
  room integer := 500;
  threads jsonb := '[]';
begin
  if (case when jsonb_typeof(_threads) = 'array' then jsonb_array_length(_threads) > 100 else _threads is not null end) then
    raise exception 'Ask for up to 100 threads: [{"thread_id": …, "after": …}, …].' using errcode = 'invalid_parameter_value';
  end if;
  for wanted, known in
    select t.value ->> 'thread_id', coalesce((t.value ->> 'after')::bigint, 0) from jsonb_array_elements(_threads) t (value)
  loop
    select t.last_seq into newest from public.chat_threads t where t.thread_id = wanted;
    continue when not found;
    perform set_config('chat.thread_id', wanted, true); -- See chat_messages_select.
    select coalesce(jsonb_agg(to_jsonb(m)), '[]') into newer
      from (select c.id, c.thread_id, c.sender_mongo_id, c.body, c.created_at, c.seq
              from public.chat_messages c
             where c.thread_id = wanted and c.seq > known
             order by c.seq desc
             limit least(room, 50)) m;
    room := room - jsonb_array_length(newer);
    threads := threads || jsonb_build_object('thread_id', wanted, 'last_seq', newest, 'messages', newer);
  end loop;
  perform set_config('chat.thread_id', '', true);
  return jsonb_build_object('threads', threads);
end
$$;
comment on function public.sync_chat(jsonb) is
  'What is newer in up to 100 threads, [{"thread_id": text, "after": bigint}, …], from one snapshot: {"threads": [{"thread_id", "last_seq", "messages"}]}, the messages with seq > after, newest first, at most 50 a thread and 500 in all. Threads that are not the caller''s are left out. Error 22023: not such an array.';

revoke all on function public.sync_chat(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.sync_chat(jsonb) to authenticated;

notify pgrst, 'reload schema';

commit;

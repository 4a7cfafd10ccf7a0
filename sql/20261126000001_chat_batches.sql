-- Several messages in one request: what a device had waiting goes out in a moment, under one lock and with one broadcast.
begin;
set local lock_timeout = '5s';

create or replace function public.insert_chat_messages(
  _thread_id text, _sender_mongo_id text, _recipient_mongo_id text, _messages jsonb
) returns setof public.chat_messages
language plpgsql rows 50 set search_path = '' as $$
declare
  expected integer;
  found_rows integer;
begin
  expected := case when jsonb_typeof(_messages) = 'array' then jsonb_array_length(_messages) else 0 end;
  if expected not between 1 and 50 then
    raise exception 'Send 1 to 50 messages at once: [{"id": …, "body": …}, …].' using errcode = 'invalid_parameter_value';
  end if;
  perform set_config('chat.thread_id', _thread_id, true); -- See chat_messages_select.
  if not jsonb_path_exists(_messages, '$[*].reply_to ? (@ != null)') then
    insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
    select (m.value ->> 'id')::uuid, _thread_id, auth.uid(), _sender_mongo_id, _recipient_mongo_id, m.value ->> 'body'
      from jsonb_array_elements(_messages) with ordinality m (value, place)
     order by m.place
    on conflict (id) do nothing;
  else -- see insert_chat_message
    begin
      insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, reply_to)
      select (m.value ->> 'id')::uuid, _thread_id, auth.uid(), _sender_mongo_id, _recipient_mongo_id, m.value ->> 'body',
             (m.value ->> 'reply_to')::bigint
        from jsonb_array_elements(_messages) with ordinality m (value, place)
       order by m.place
      on conflict (id) do nothing;
    exception when undefined_column then
      raise exception 'Apply 20261128000001_chat_changes.sql: this database has no replies.' using errcode = 'undefined_function';
    end;
  end if;
  -- A statement of its own: it sees also what another request has committed while this one waited for the lock.
  return query
  select c.*
    from jsonb_array_elements(_messages) with ordinality m (value, place)
    join public.chat_messages c on c.id = (m.value ->> 'id')::uuid
   where c.thread_id = _thread_id and c.sender_supabase_id = auth.uid()
     and (c.body = m.value ->> 'body' or to_jsonb(c) ->> 'rev' is not null)
   order by m.place;
  get diagnostics found_rows = row_count;
  if found_rows <> expected then
    raise exception 'One of these message ids is taken by another message.'
      using errcode = 'unique_violation', hint = 'Send them one by one to find which.';
  end if;
  perform set_config('chat.thread_id', '', true);
end
$$;
comment on function public.insert_chat_messages(text, text, text, jsonb) is
  'Sends 1 to 50 messages, [{"id": uuid, "body": text, "reply_to": bigint}, …], as the signed-in user, in their order, and returns their rows. All or nothing; idempotent by id, as insert_chat_message, and with its errors. Error 22023: not such an array. Only the newest is broadcast.';

revoke all on function public.insert_chat_messages(text, text, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.insert_chat_messages(text, text, text, jsonb) to authenticated;

notify pgrst, 'reload schema';

commit;

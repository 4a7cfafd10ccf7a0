-- The part of Supabase Realtime's schema behind "Broadcast from Database", made if missing. It behaves as the Realtime
-- server's own SQL does: sending never fails the caller, it only warns, and the broadcast is then lost.

create schema if not exists realtime;
grant usage on schema realtime to anon, authenticated, service_role, postgres;
grant all on schema realtime to supabase_realtime_admin;

do $$
begin
  if to_regclass('realtime.messages') is null then
    create table realtime.messages (
      id uuid not null default gen_random_uuid(),
      topic text not null,
      extension text not null,
      payload jsonb,
      binary_payload bytea,
      event text,
      private boolean default false,
      updated_at timestamp not null default now(),
      inserted_at timestamp not null default now(),
      primary key (id, inserted_at),
      constraint one_payload check (payload is null or binary_payload is null)
    ) partition by range (inserted_at);
    create index messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
      where extension = 'broadcast' and private;
    alter table realtime.messages enable row level security;
    grant select, insert, update on realtime.messages to anon, authenticated, service_role;
    alter table realtime.messages owner to supabase_realtime_admin;
  end if;
end
$$;

-- The stand-in's own, since Realtime makes partitions from its server: yesterday to three days ahead, at every client's
-- connection and by a janitor, and drops those of more than three days ago.
create or replace function realtime.keep_message_partitions(today date default (now() at time zone 'utc')::date)
returns void language plpgsql set search_path = '' as $$
declare
  day date;
  expired text;
begin
  for day in select generate_series(today - 1, today + 3, interval '1 day')::date loop
    begin
      execute format(
        'create table if not exists realtime.%I partition of realtime.messages for values from (%L) to (%L)',
        'messages_' || to_char(day, 'YYYY_MM_DD'), day, day + 1
      );
    exception when invalid_object_definition then
      null; -- Another partition of whatever name holds that day already.
    end;
  end loop;
  for expired in
    select child.relname
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class child on child.oid = i.inhrelid
     where i.inhparent = 'realtime.messages'::regclass
       and child.relname ~ '^messages_\d{4}_\d{2}_\d{2}$'
       and to_date(right(child.relname, 10), 'YYYY_MM_DD') < today - 3
  loop
    execute format('drop table realtime.%I', expired);
  end loop;
end
$$;
revoke all on function realtime.keep_message_partitions(date) from public, anon, authenticated, service_role;
select realtime.keep_message_partitions();

select pg_temp.create_function_if_missing('realtime.topic()', $def$
  create function realtime.topic() returns text language sql stable as $$
    select nullif(current_setting('realtime.topic', true), '')
  $$
$def$);

select pg_temp.create_function_if_missing('realtime.send(jsonb,text,text,boolean)', $def$
  create function realtime.send(payload jsonb, event text, topic text, private boolean default true)
  returns void language plpgsql as $$
  declare
    message_id uuid := gen_random_uuid();
    final_payload jsonb := payload;
  begin
    begin
      -- Only a payload that has no id of its own gets the message's.
      if not payload ? 'id' then
        final_payload := jsonb_set(payload, '{id}', to_jsonb(message_id));
      end if;
      perform set_config('realtime.topic', topic, true);
      insert into realtime.messages (id, payload, event, topic, private, extension)
      values (message_id, final_payload, event, topic, private, 'broadcast');
    exception when others then
      raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
    end;
  end
  $$
$def$);

select pg_temp.create_function_if_missing('realtime.send_binary(bytea,text,text,boolean)', $def$
  create function realtime.send_binary(payload bytea, event text, topic text, private boolean default true)
  returns void language plpgsql as $$
  begin
    begin
      perform set_config('realtime.topic', topic, true);
      insert into realtime.messages (binary_payload, event, topic, private, extension)
      values (payload, event, topic, private, 'broadcast');
    exception when others then
      raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
    end;
  end
  $$
$def$);

select pg_temp.create_function_if_missing(
  'realtime.broadcast_changes(text,text,text,text,text,record,record,text)', $def$
  create function realtime.broadcast_changes(
    topic_name text, event_name text, operation text, table_name text, table_schema text,
    new record, old record, level text default 'ROW'
  ) returns void language plpgsql as $$
  declare
    changes jsonb := jsonb_build_object('operation', operation, 'table', table_name, 'schema', table_schema);
  begin
    if level = 'STATEMENT' then
      raise exception 'function can only be triggered for each row, not for each statement';
    end if;
    changes := changes || case operation
      when 'INSERT' then jsonb_build_object('record', to_jsonb(new), 'old_record', null)
      when 'UPDATE' then jsonb_build_object('record', to_jsonb(new), 'old_record', to_jsonb(old))
      when 'DELETE' then jsonb_build_object('record', null, 'old_record', to_jsonb(old))
    end;
    if changes is null then
      raise exception 'Unexpected operation type: %', operation;
    end if;
    perform realtime.send(changes, event_name, topic_name);
  exception when others then
    raise exception 'Failed to process the row: %', sqlerrm;
  end
  $$
$def$);

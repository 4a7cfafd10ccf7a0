-- How fast one person may send, and how long they may change what they sent. Whoever is signed in can call the functions of the API from a script, and each message that
-- gets in is announced: without a limit one of them spends the project's whole Realtime budget.
begin;
set local lock_timeout = '5s';

-- The limits, for the backend to change: `update public.chat_limits set sends_per_second = 5`.
do $$
begin
  if to_regclass('public.chat_limits') is null then
    create table public.chat_limits (
      id boolean not null default true,
      sends_per_second double precision default 20,
      send_burst integer not null default 1000,
      constraint chat_limits_pkey primary key (id),
      constraint chat_limits_id_check check (id),
      constraint chat_limits_sends_per_second_check check (sends_per_second > 0 and sends_per_second < 'Infinity'),
      constraint chat_limits_send_burst_check check (send_burst > 0)
    );
    alter table public.chat_limits enable row level security;
    revoke all on public.chat_limits from public, anon, authenticated, service_role;
    insert into public.chat_limits default values;
  end if;
end
$$;
alter table public.chat_limits
  add column if not exists edit_window interval default '15 minutes'
    constraint chat_limits_edit_window_check check (edit_window >= interval '0'),
  add column if not exists unsend_window interval default '48 hours'
    constraint chat_limits_unsend_window_check check (unsend_window >= interval '0');
revoke all on public.chat_limits from public, anon, authenticated, service_role;
grant select, update (sends_per_second, send_burst, edit_window, unsend_window) on public.chat_limits to service_role;
comment on table public.chat_limits is
  'One row: how fast one person may send, and how long they may change it. Changed by the backend (service_role); read by the triggers of chat_messages and by 20261128000001.';
comment on column public.chat_limits.sends_per_second is
  'Messages a second that one person may go on sending. Null: no limit.';
comment on column public.chat_limits.send_burst is
  'Messages that they may send at once after a pause: 1,000 are the ones that a device had waiting.';

comment on column public.chat_limits.edit_window is 'How old a message may be whose author edits it. Null: any age.';
comment on column public.chat_limits.unsend_window is 'How old a message may be whose author unsends it. Null: any age.';

-- A token bucket a person, in one number: when theirs will be full again. It is the person's own row that a send locks, so
-- nobody waits for anybody else. Unlogged, since losing it in a crash costs nothing: everybody's bucket is full then.
do $$
begin
  if to_regclass('chat_private.send_buckets') is null then
    create unlogged table chat_private.send_buckets (
      supabase_id uuid not null,
      full_at timestamptz not null,
      constraint send_buckets_pkey primary key (supabase_id)
    ) with (fillfactor = 50); -- room for HOT updates
    alter table chat_private.send_buckets enable row level security;
    revoke all on chat_private.send_buckets from public, anon, authenticated, service_role;
  end if;
end
$$;
comment on table chat_private.send_buckets is
  'When each person who has sent may send a whole burst again (chat_limits). A row of somebody who has gone may be deleted.';

-- After the insert, so that a message that is there already is not counted when it is sent again: that fails as a duplicate,
-- or does nothing, before this. It is the first trigger after it (they run by name): what is refused is not broadcast. The
-- thread's row is locked by then and this one's last, in every send; that keeps two sends of one person from a deadlock.
create or replace function chat_private.allow_message() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  caller constant uuid := auth.uid();
  allowed record;
begin
  if caller is null then
    return null;
  end if;
  -- How long a message takes to become free, and how long an empty bucket to be full.
  select l.*, interval '1 second' / l.sends_per_second as one, interval '1 second' / l.sends_per_second * l.send_burst as burst
    into allowed
    from public.chat_limits l;
  if allowed.one is null then
    return null;
  end if;
  -- Emptier than empty is a bucket after a change of the limits, or of the clock: it is empty.
  insert into chat_private.send_buckets as b (supabase_id, full_at) values (caller, clock_timestamp() + allowed.one)
  on conflict (supabase_id) do update
     set full_at = least(greatest(b.full_at, clock_timestamp()) + allowed.one, clock_timestamp() + allowed.burst)
   where b.full_at not between clock_timestamp() + allowed.burst - allowed.one and clock_timestamp() + allowed.burst;
  if not found then
    -- Both as PostgREST wants them: https://docs.postgrest.org/en/v12/references/errors.html#raise-headers-and-status. A
    -- browser shows a page of another origin only the headers that it is told to.
    raise sqlstate 'PGRST' using
      message = json_build_object(
        'code', '53400', -- configuration_limit_exceeded
        'message', 'You are sending too many messages. Wait a moment.',
        'details', format('At most %s at once, and %s a second.', allowed.send_burst, allowed.sends_per_second),
        'hint', format('Send it again in %s s.', ceil(extract(epoch from allowed.one))))::text,
      detail = json_build_object(
        'status', 429,
        'headers', json_build_object(
          'Retry-After', ceil(extract(epoch from allowed.one))::text,
          'Access-Control-Expose-Headers', 'Retry-After'))::text;
  end if;
  return null;
end
$$;
comment on function chat_private.allow_message() is
  'AFTER INSERT on chat_messages: refuses, with HTTP status 429 and Retry-After, a message of somebody who has sent too many (chat_limits). Not the backend''s.';
revoke all on function chat_private.allow_message() from public, anon, authenticated, service_role;

create or replace trigger chat_messages_allow after insert on public.chat_messages
  for each row execute function chat_private.allow_message();

notify pgrst, 'reload schema';

commit;

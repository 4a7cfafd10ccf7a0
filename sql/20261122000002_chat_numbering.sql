-- Messages from before this version get their number, in the order of created_at and id, and threads that they lack.
-- This is the long step on a big table. It locks no table: people go on reading and writing meanwhile.

begin;
set local statement_timeout = 0;

-- A thread made here belongs to nobody until the backend links its people (link_chat_identity): who wrote a message is
-- not proof enough, since the plan's first version believed the sender.
insert into public.chat_threads (thread_id, user_a_mongo_id, user_b_mongo_id, created_at, last_seq)
select m.thread_id,
       case when a.is_pair then split_part(m.thread_id, '__', 1) end,
       case when a.is_pair then split_part(m.thread_id, '__', 2) end,
       coalesce(min(m.created_at), now()),
       null
  from public.chat_messages m,
       lateral (select m.thread_id ~ '^[^_].*__.*[^_]$' and m.thread_id !~ '__.*__'
                   and split_part(m.thread_id, '__', 1) < split_part(m.thread_id, '__', 2) collate "C" as is_pair) a
 where m.seq is null
   and not exists (select from public.chat_threads t where t.thread_id = m.thread_id)
 group by m.thread_id, a.is_pair
on conflict (thread_id) do nothing;

-- A message whose time is unknown counts as its thread's first.
with numbered as (
  select m.id,
         row_number() over (partition by m.thread_id order by m.created_at nulls first, m.id) as seq,
         coalesce(m.created_at, min(m.created_at) over (partition by m.thread_id), t.created_at, now()) as created_at
    from public.chat_messages m
    join public.chat_threads t on t.thread_id = m.thread_id and t.last_seq is null
)
update public.chat_messages m
   set seq = numbered.seq, created_at = numbered.created_at
  from numbered
 where m.id = numbered.id
   and m.seq is distinct from numbered.seq;

commit;

-- Has the rows from before the constraints looked at; people go on reading and writing meanwhile. Rows that do not fit
-- stay as they are and their constraint stays `not valid`: it holds for new rows all the same, and sql/doctor.sql names it.
begin;
set local statement_timeout = 0;
set local lock_timeout = '5s';

do $$
declare
  promise record;
begin
  for promise in
    select conname as name, conrelid::regclass as relation
      from pg_catalog.pg_constraint
     where conrelid in ('public.chat_identities'::regclass, 'public.chat_threads'::regclass, 'public.chat_messages'::regclass)
       and not convalidated
     order by conrelid, conname
  loop
    begin
      execute format('alter table %s validate constraint %I', promise.relation, promise.name);
    exception when check_violation or foreign_key_violation then
      raise notice 'kept rows of % that do not fit %: %', promise.relation, promise.name, sqlerrm;
    end;
  end loop;
end
$$;

-- The check just made tells that there is no row to look at: the lock lasts a moment.
alter table public.chat_messages alter column seq set not null, alter column created_at set not null;
alter table public.chat_messages drop constraint if exists chat_messages_numbered_check;

-- What 20261122000003 told the planner counts from now on.
analyze public.chat_threads;

commit;

-- What the differential test asks for beside the chat: one table with every kind of constraint, and functions that answer
-- and fail in every way that PostgREST knows. Made before PostgREST reads its schema cache.
create table public.items (
  id integer primary key,
  name text not null unique constraint items_name_check check (name <> ''),
  parent integer constraint items_parent_fkey references public.items,
  owner uuid default auth.uid(),
  note text default 'none',
  data jsonb,
  at timestamptz
);
alter table public.items enable row level security;
grant select, insert, update, delete on public.items to authenticated;
grant all on public.items to service_role;
create policy items_read on public.items for select to authenticated using (true);
create policy items_write on public.items for all to authenticated
  using (owner = (select auth.uid())) with check (owner = (select auth.uid()));

-- A policy that raises, as one with a careless cast does.
create table public.raising (id text primary key);
alter table public.raising enable row level security;
grant select, insert on public.raising to authenticated;
create policy raising_read on public.raising for select to authenticated using (id::uuid is not null);
insert into public.raising values ('no uuid');

create table public.recursive (id integer primary key);
alter table public.recursive enable row level security;
grant select on public.recursive to authenticated;
create policy recursive_read on public.recursive for select to authenticated
  using (exists (select from public.recursive r where r.id = recursive.id));

-- Nobody but its owner.
create table public.ungranted (id integer primary key);

create view public.item_names as select id, name from public.items;
grant select on public.item_names to authenticated;

create function public.fail(_code text, _message text default 'as the test wants it', _detail text default null, _hint text default null)
returns void language plpgsql as $$
begin
  raise exception using errcode = _code, message = _message, detail = coalesce(_detail, ''), hint = coalesce(_hint, '');
end
$$;
create function public.fail_plain() returns void language plpgsql as $$ begin raise exception 'plainly'; end $$;
create function public.fail_assert() returns void language plpgsql as $$ begin assert false, 'asserted'; end $$;
create function public.fail_strict() returns integer language plpgsql as $$
declare found integer;
begin select i.id into strict found from public.items i where i.id = -1; return found; end $$;
create function public.fail_division() returns integer language sql as $$ select 1 / 0 $$;

create function public.echo(_text text default 'nothing', _number integer default 0, _json jsonb default null, _list text[] default null)
returns jsonb language sql immutable as $$
  select jsonb_build_object('text', _text, 'number', _number, 'json', _json, 'list', _list)
$$;
create function public.nothing() returns void language sql as $$ select $$;
create function public.null_text() returns text language sql as $$ select null::text $$;
create function public.null_row() returns public.items language sql stable as $$ select * from public.items where false $$;
create function public.numbers(_upto integer) returns setof integer language sql immutable as $$ select generate_series(1, _upto) $$;
create function public.pairs(_upto integer) returns table (n integer, square integer) language sql immutable as $$
  select n, n * n from generate_series(1, _upto) n
$$;
create function public.out_two(out a integer, out b text) language sql immutable as $$ select 1, 'two' $$;
create function public.items_of(_ids integer[]) returns setof public.items language sql stable as $$
  select * from public.items where id = any (_ids)
$$;
create function public.overloaded(_a integer) returns text language sql immutable as $$ select 'integer' $$;
create function public.overloaded(_a text) returns text language sql immutable as $$ select 'text' $$;
create function public.overloaded(_a integer, _b integer) returns text language sql immutable as $$ select 'two' $$;
create function public.unnamed(jsonb) returns jsonb language sql immutable as $$ select $1 $$;
create function public.variadic_of(variadic _all text[]) returns text[] language sql immutable as $$ select _all $$;
create function public.who() returns jsonb language sql stable as $$
  select jsonb_build_object(
    'role', current_user, 'uid', auth.uid(), 'claims', current_setting('request.jwt.claims', true)::jsonb - 'iat' - 'exp',
    'method', current_setting('request.method', true), 'path', current_setting('request.path', true),
    'search_path', current_setting('search_path'), 'timeout', current_setting('statement_timeout'),
    'read_only', current_setting('transaction_read_only'), 'isolation', current_setting('transaction_isolation'),
    'cookies', nullif(current_setting('request.cookies', true), '')::jsonb,
    'x-test', current_setting('request.headers', true)::jsonb ->> 'x-test')
$$;
create function public.add_item(_id integer, _name text) returns public.items language sql as $$
  insert into public.items (id, name) values (_id, _name) returning *
$$;
create function public.read_only_insert() returns void language plpgsql as $$
begin
  set local transaction_read_only = on;
  insert into public.items (id, name) values (99, 'x');
end
$$;
create function public.slow() returns void language plpgsql as $$ begin perform pg_sleep(20); end $$;
create function public.locked() returns void language plpgsql set lock_timeout = '50ms' as $$
begin
  perform from public.items where id = 1 for update;
end
$$;
create function public.slow_down() returns void language plpgsql as $$
begin
  raise sqlstate 'PGRST' using
    message = '{"code": "chat-rate-limited", "message": "Slow down.", "details": "20 a second", "hint": "Wait."}',
    detail = '{"status": 429, "headers": {"Retry-After": "7", "X-Test": "yes"}}';
end
$$;
create function public.slow_down_named() returns void language plpgsql as $$
begin
  raise sqlstate 'PGRST' using message = '{"code": "x", "message": "y"}', detail = '{"status": 299, "status_text": "Odd", "headers": {}}';
end
$$;
create function public.slow_down_badly() returns void language plpgsql as $$
begin
  raise sqlstate 'PGRST' using message = 'no json', detail = '{"status": 429, "headers": {}}';
end
$$;
create function public.slow_down_without_detail() returns void language plpgsql as $$
begin
  raise sqlstate 'PGRST' using message = '{"code": "x", "message": "y"}';
end
$$;
create function public.set_answer(_status text, _headers text) returns text language plpgsql as $$
begin
  perform set_config('response.status', _status, true), set_config('response.headers', _headers, true);
  return 'done';
end
$$;

revoke all on all functions in schema public from anon;
grant execute on all functions in schema public to authenticated, service_role;
revoke execute on function public.insert_chat_message, public.list_chat_messages, public.sync_chat, public.list_chat_page,
  public.edit_chat_message, public.unsend_chat_message, public.react_chat_message from service_role;
revoke execute on function public.link_chat_identity, public.ensure_chat_thread from public, anon, authenticated;
create function public.forbidden() returns void language sql as $$ select $$;
revoke all on function public.forbidden from public, anon, authenticated;

-- As a hosted project has it, but soon over.
alter role authenticated set statement_timeout = '3s';

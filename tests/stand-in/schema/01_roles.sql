-- The roles of a Supabase project, each made if missing, with the rights that the product's migrations meet there.
-- Every password is `postgres`: this file is for the local stand-in alone.

create function pg_temp.create_role_if_missing(name text, options text) returns void
language plpgsql as $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = name) then
    execute format('create role %I %s', name, options);
  end if;
end
$$;

select pg_temp.create_role_if_missing('anon', 'nologin noinherit');
select pg_temp.create_role_if_missing('authenticated', 'nologin noinherit');
select pg_temp.create_role_if_missing('service_role', 'nologin noinherit bypassrls');
select pg_temp.create_role_if_missing('authenticator', $$login noinherit password 'postgres'$$);
select pg_temp.create_role_if_missing('supabase_auth_admin', $$login noinherit createrole password 'postgres'$$);
select pg_temp.create_role_if_missing('supabase_realtime_admin', 'nologin noinherit');

-- supabase/postgres, migration 10000000000000_demote-postgres.sql: everything but superuser.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'postgres') then
    create role postgres login createdb createrole replication bypassrls password 'postgres';
    grant pg_read_all_data, pg_monitor, pg_signal_backend to postgres;
    execute format('alter database %I owner to postgres', current_database());
    grant all on schema public to postgres;
    grant anon, authenticated, service_role, authenticator to postgres with admin option;
    -- A hosted project lets `postgres` make policies on realtime.messages through supautils; plain PostgreSQL asks for
    -- the rights of the table's owner.
    grant supabase_realtime_admin to postgres;
  end if;
end
$$;

grant anon, authenticated, service_role to authenticator;
grant usage on schema public to anon, authenticated, service_role;

-- No default privileges: since 2026-10-30 a new table in `public` is reachable only by explicit grants.

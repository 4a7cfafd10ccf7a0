//! The doors of the attack matrix: statements that anybody might try, and what each comes to for every kind of caller.

use anyhow::{Context, Result};
use tokio_postgres::{Client, SimpleQueryMessage, Transaction};

use crate::Person::{Ana, Ben, Cleo, Erin};
use crate::{Actor, Database, Person, sqlstate};

/// Nobody; somebody else; the two people of ana__ben; one whose account is gone, with a token that still lives; the
/// backend.
pub const ACTORS: [Actor; 6] =
    [Actor::Anon, Actor::User(Cleo), Actor::User(Ana), Actor::User(Ben), Actor::User(Erin), Actor::ServiceRole];

/// Refused: no privilege, or row level security.
pub const NO: &str = "42501";
pub const NOBODY: [&str; 6] = [NO; 6];
pub const BACKEND: [&str; 6] = [NO, NO, NO, NO, NO, "1"];

/// A statement and what it comes to for each of `ACTORS`: the number of rows that it returns or changes, or the SQLSTATE
/// that refuses it. `{me}` and `{my_mongo}` are the caller's ids, Ana's for a caller that has none; `{other}` is whom they
/// would write to in ana__ben.
pub type Door = (&'static str, [&'static str; 6]);

pub const DOORS: &[Door] = &[
    // Reading.
    ("select * from public.chat_messages", [NO, "1", "4", "3", "0", "5"]),
    ("select * from public.chat_messages where thread_id = 'ana__ben'", [NO, "0", "3", "3", "0", "3"]),
    ("select * from public.chat_messages where thread_id = 'cleo__dan'", [NO, "1", "0", "0", "0", "1"]),
    ("select * from public.chat_messages where thread_id = 'ana__erin'", [NO, "0", "1", "0", "0", "1"]),
    ("select * from public.list_chat_messages('ana__ben')", [NO, "0", "3", "3", "0", NO]),
    ("select * from public.list_chat_messages('cleo__dan')", [NO, "1", "0", "0", "0", NO]),
    ("select * from public.list_chat_messages('ana__erin', 0, 9223372036854775807, 2147483647)", [NO, "0", "1", "0", "0", NO]),
    ("select * from public.list_chat_messages('%')", [NO, "0", "0", "0", "0", NO]),
    ("select * from public.list_chat_messages(null, null, null, null)", [NO, "0", "0", "0", "0", NO]),
    (
        "select * from jsonb_array_elements(public.sync_chat('[{\"thread_id\": \"ana__ben\"}]') -> 'threads')",
        [NO, "0", "1", "1", "0", NO],
    ),
    (
        "select * from jsonb_path_query(public.sync_chat('[{\"thread_id\": \"ana__ben\"}, {\"thread_id\": \"cleo__dan\"},
         {\"thread_id\": \"ana__erin\"}]'), '$.threads[*].messages[*]')",
        [NO, "1", "4", "3", "0", NO],
    ),
    (
        // What the one thread is called does not open another.
        "select * from jsonb_path_query(public.sync_chat('[{\"thread_id\": \"%\", \"after\": -1}, null, \"cleo__dan\",
         {\"thread_id\": [\"cleo__dan\"]}]'), '$.threads[*]')",
        [NO, "0", "0", "0", "0", NO],
    ),
    ("select * from jsonb_array_elements(public.sync_chat(null) -> 'threads')", [NO, "0", "0", "0", "0", NO]),
    // The inbox.
    ("select * from json_array_elements(public.list_chat_threads() -> 'threads')", [NO, "1", "2", "1", "0", NO]),
    (
        "select * from json_array_elements(public.list_chat_threads(250, '{\"at\": \"infinity\", \"thread_id\": \"x\"}') -> 'threads')",
        [NO, "1", "2", "1", "0", NO],
    ),
    ("select public.list_chat_threads(251)", [NO, "22023", "22023", "22023", "22023", NO]),
    ("select public.list_chat_threads(30, '{\"at\": \"x\", \"thread_id\": \"\"}')", [NO, "22007", "22007", "22007", "22007", NO]),
    (
        "select * from jsonb_path_query(public.sync_chat(null, '{\"limit\": 250}'), '$.inbox.threads[*]')",
        [NO, "1", "2", "1", "0", NO],
    ),
    (
        // What is said of oneself is not believed.
        "select * from jsonb_path_query(public.mark_chat('[{\"thread_id\": \"ana__ben\", \"read\": 1, \"supabase_id\": \"{ana}\"},
         {\"thread_id\": \"cleo__dan\", \"read\": 1}, {\"thread_id\": \"ana__erin\", \"read\": 1}, {\"thread_id\": \"%\"}]'), '$.threads[*]')",
        [NO, "1", "2", "1", "0", NO],
    ),
    (
        // A marker beyond the end.
        "select * from jsonb_path_query(public.mark_chat('[{\"thread_id\": \"ana__ben\", \"read\": 9223372036854775807}]'),
         '$.threads[*] ? (@.read > @.last_seq)')",
        [NO, "0", "0", "0", "0", NO],
    ),
    ("select public.mark_chat('{\"thread_id\": \"ana__ben\"}')", [NO, "22023", "22023", "22023", "22023", NO]),
    ("select public.mark_chat('[{\"thread_id\": \"ana__ben\"}]', null)", [NO, "22023", "22023", "22023", "22023", NO]),
    ("select public.mark_chat('[{\"thread_id\": \"ana__ben\", \"read\": \"x\"}]')", [NO, "22P02", "22P02", "22P02", "22P02", NO]),
    ("select * from public.chat_markers", NOBODY),
    ("insert into public.chat_markers (thread_id, supabase_id, read_seq, delivered_seq) values ('ana__ben', '{me}', 9, 9)", NOBODY),
    ("insert into public.chat_markers (thread_id, supabase_id) values ('ana__ben', '{ana}')", NOBODY),
    ("update public.chat_markers set read_seq = 0", NOBODY),
    ("delete from public.chat_markers", NOBODY),
    ("truncate public.chat_markers", NOBODY),
    ("select * from chat_private.inboxes", NOBODY),
    ("insert into chat_private.inboxes (supabase_id, used_on) values ('{ana}', now())", NOBODY),
    ("select * from chat_private.inbox_starts", NOBODY),
    ("select * from chat_private.sides", NOBODY),
    ("select chat_private.list_chat_threads(30, null, null)", NOBODY),
    ("select chat_private.inbox_page('{ana}', 30, null, null)", NOBODY),
    ("select chat_private.mark_chat('[{\"thread_id\": \"ana__ben\"}]', true)", NOBODY),
    ("select chat_private.sync_chat(null, null)", NOBODY),
    ("select chat_private.thread_markers('{ana}', 'ana__ben')", NOBODY),
    ("select chat_private.count_unread('ana__ben', 'ana', 0, 3)", NOBODY),
    ("select chat_private.uses_inbox('{ana}')", NOBODY),
    ("select chat_private.announce_mark(null, 1, 1, 0, true)", NOBODY),
    ("select chat_private.announce_thread()", NOBODY),
    ("alter table public.chat_messages disable trigger chat_messages_inbox", NOBODY),
    ("select public.sync_chat('{\"thread_id\": \"ana__ben\"}')", [NO, "22023", "22023", "22023", "22023", NO]),
    ("select public.sync_chat('[{\"thread_id\": \"ana__ben\", \"after\": \"x\"}]')", [NO, "22P02", "22P02", "22P02", "22P02", NO]),
    ("select * from public.chat_messages where thread_id like '%'", [NO, "1", "4", "3", "0", "5"]),
    ("select * from public.chat_threads", [NO, "1", "2", "1", "0", "3"]),
    ("select * from public.chat_threads where thread_id = 'ana__ben'", [NO, "0", "1", "1", "0", "1"]),
    ("select * from public.chat_identities", [NO, NO, NO, NO, NO, "4"]),
    ("select 1 from public.chat_messages for update", NOBODY),
    ("select 1 from public.chat_threads for update", [NO, NO, NO, NO, NO, "3"]),
    // Sending, by the table.
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{my_mongo}', '{other}', 'x')",
        [NO, NO, "1", "1", NO, NO],
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{my_mongo}', '{other}', 'x') returning *",
        [NO, NO, "1", "1", NO, NO],
    ),
    (
        // The sender forged.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{ana}', 'ana', 'ben', 'x')",
        [NO, NO, "1", NO, NO, NO],
    ),
    (
        // Another's Mongo id.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', 'ana', 'ben', 'x')",
        [NO, NO, "1", NO, NO, NO],
    ),
    (
        // Sender and recipient swapped.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{other}', '{my_mongo}', 'x')",
        NOBODY,
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{my_mongo}', 'dan', 'x')",
        NOBODY,
    ),
    (
        // A thread of two strangers.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('cleo__dan', '{me}', '{my_mongo}', 'dan', 'x')",
        [NO, "1", NO, NO, NO, NO],
    ),
    (
        // A thread with oneself, and one that does not exist.
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('{my_mongo}__{my_mongo}', '{me}', '{my_mongo}', '{my_mongo}', 'x')",
        NOBODY,
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('{my_mongo}__zoe', '{me}', '{my_mongo}', 'zoe', 'x')",
        NOBODY,
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', '{me}', '{my_mongo}', '{other}', ' ')",
        [NO, "23514", "23514", "23514", "23514", NO],
    ),
    (
        "insert into public.chat_messages (thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         values ('ana__ben', null, '{my_mongo}', '{other}', 'x')",
        NOBODY,
    ),
    // Upserts.
    (
        "insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         select id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, 'changed' from public.chat_messages
         on conflict (id) do update set body = excluded.body",
        NOBODY,
    ),
    (
        "insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body)
         select id, 'ana__ben', '{me}', '{my_mongo}', '{other}', 'changed' from public.chat_messages where thread_id = 'ana__ben'
         on conflict (id) do nothing",
        [NO, "0", "0", "0", "0", NO],
    ),
    // The limits.
    ("select * from public.chat_limits", BACKEND),
    ("update public.chat_limits set send_burst = 1000000", BACKEND),
    ("update public.chat_limits set sends_per_second = null", BACKEND),
    ("insert into public.chat_limits default values", NOBODY),
    ("delete from public.chat_limits", NOBODY),
    ("truncate public.chat_limits", NOBODY),
    ("select * from chat_private.send_buckets", NOBODY),
    ("delete from chat_private.send_buckets", NOBODY),
    ("select chat_private.allow_message()", NOBODY),
    ("alter table public.chat_messages disable trigger chat_messages_allow", NOBODY),
    // Changing and removing.
    ("update public.chat_messages set body = 'changed'", NOBODY),
    ("update public.chat_threads set last_seq = 0", NOBODY),
    ("update public.chat_identities set mongo_id = 'ana'", NOBODY),
    ("delete from public.chat_messages", NOBODY),
    ("delete from public.chat_threads", NOBODY),
    ("delete from public.chat_identities", NOBODY),
    ("truncate public.chat_messages", NOBODY),
    ("truncate public.chat_threads cascade", NOBODY),
    ("truncate public.chat_identities cascade", NOBODY),
    ("insert into public.chat_identities (mongo_id, supabase_id) values ('zoe', '{dan}')", [NO, NO, NO, NO, NO, "23505"]),
    (
        "insert into public.chat_threads (thread_id, user_a_mongo_id, user_b_mongo_id, user_a_supabase_id)
         values ('ana__zoe', 'ana', 'zoe', '{me}')",
        BACKEND,
    ),
    (
        // Taking a side of a foreign thread.
        "update public.chat_threads set user_b_supabase_id = '{me}' where thread_id = 'cleo__dan'",
        BACKEND,
    ),
    ("alter table public.chat_messages disable row level security", NOBODY),
    ("drop policy chat_messages_select on public.chat_messages", NOBODY),
    ("create trigger mine before insert on public.chat_messages for each row execute function chat_private.count_message()", NOBODY),
    // The functions of the API.
    ("select * from public.insert_chat_message('ana__ben', '{my_mongo}', '{other}', 'x')", [NO, NO, "1", "1", NO, NO]),
    ("select * from public.insert_chat_message('ana__ben', 'ana', 'ben', 'x')", [NO, NO, "1", NO, NO, NO]),
    ("select * from public.insert_chat_message('ana__ben', '{other}', '{my_mongo}', 'x')", NOBODY),
    ("select * from public.insert_chat_message('ben__ana', 'ana', 'ben', 'x')", NOBODY),
    ("select * from public.insert_chat_message('cleo__dan', '{my_mongo}', 'dan', 'x')", [NO, "1", NO, NO, NO, NO]),
    ("select * from public.insert_chat_message('{my_mongo}__{my_mongo}', '{my_mongo}', '{my_mongo}', 'x')", NOBODY),
    ("select * from public.insert_chat_message('{my_mongo}__zoe', '{my_mongo}', 'zoe', 'x')", NOBODY),
    ("select * from public.insert_chat_message('ana__erin', 'erin', 'ana', 'x')", NOBODY),
    ("select * from public.insert_chat_message(null, null, null, 'x')", NOBODY),
    ("select * from public.insert_chat_message('ana__ben', '{my_mongo}', '{other}', null)", [NO, "23514", "23514", "23514", "23514", NO]),
    (
        // The id of a message that is there, somebody else's for most.
        "select * from public.insert_chat_message('ana__ben', '{my_mongo}', '{other}', 'x', '{taken}')",
        [NO, NO, "23505", "23505", NO, NO],
    ),
    ("select * from public.insert_chat_messages('ana__ben', '{my_mongo}', '{other}', '[{fresh}]')", [NO, NO, "1", "1", NO, NO]),
    ("select * from public.insert_chat_messages('ana__ben', 'ana', 'ben', '[{fresh}]')", [NO, NO, "1", NO, NO, NO]),
    ("select * from public.insert_chat_messages('ana__ben', '{other}', '{my_mongo}', '[{fresh}]')", NOBODY),
    ("select * from public.insert_chat_messages('ben__ana', 'ana', 'ben', '[{fresh}]')", NOBODY),
    ("select * from public.insert_chat_messages('cleo__dan', '{my_mongo}', 'dan', '[{fresh}]')", [NO, "1", NO, NO, NO, NO]),
    ("select * from public.insert_chat_messages(null, null, null, '[{fresh}]')", NOBODY),
    ("select * from public.insert_chat_messages('ana__ben', '{my_mongo}', '{other}', null)", [NO, "22023", "22023", "22023", "22023", NO]),
    ("select * from public.insert_chat_messages('ana__ben', '{my_mongo}', '{other}', '[]')", [NO, "22023", "22023", "22023", "22023", NO]),
    (
        // A good one beside the id of a message that is there.
        "select * from public.insert_chat_messages('ana__ben', '{my_mongo}', '{other}',
         '[{fresh}, {\"id\": \"{taken}\", \"body\": \"x\"}]')",
        [NO, NO, "23505", "23505", NO, NO],
    ),
    ("select public.link_chat_identity('zoe', '{zoe}')", BACKEND),
    ("select public.link_chat_identity('ana', '{me}')", BACKEND),
    ("select public.ensure_chat_thread('ana', 'zoe')", BACKEND),
    ("select public.ensure_chat_thread('cleo', 'dan')", BACKEND),
    ("select public.erase_chat_person('{my_mongo}')", BACKEND),
    ("select public.erase_chat_person('dan')", BACKEND),
    // Changing messages. The first and the third of ana__ben are Ana's, the second Ben's; the first is of long ago.
    ("select public.edit_chat_message('{first}', 'changed')", [NO, "CH403", "CH410", "CH403", "CH403", NO]),
    ("select public.edit_chat_message('{first}', 'hello')", [NO, "CH403", "1", "CH403", "CH403", NO]),
    ("select public.edit_chat_message('{second}', 'changed')", [NO, "CH403", "CH403", "1", "CH403", NO]),
    ("select public.edit_chat_message('{third}', 'changed')", [NO, "CH403", "1", "CH403", "CH403", NO]),
    ("select public.edit_chat_message('{third}', ' ')", [NO, "CH403", "23514", "CH403", "CH403", NO]),
    ("select public.edit_chat_message('{third}', null)", [NO, "CH403", "23514", "CH403", "CH403", NO]),
    ("select public.edit_chat_message('{third}', repeat('x', 4001))", [NO, "CH403", "23514", "CH403", "CH403", NO]),
    ("select public.edit_chat_message('{taken}', 'changed')", [NO, "1", "CH403", "CH403", "CH403", NO]),
    ("select public.edit_chat_message('{erins}', 'changed')", [NO, "CH403", "CH403", "CH403", "CH403", NO]),
    ("select public.edit_chat_message('{zoe}', 'changed')", [NO, "CH403", "CH403", "CH403", "CH403", NO]),
    ("select public.edit_chat_message(null, null)", [NO, "CH403", "CH403", "CH403", "CH403", NO]),
    ("select public.unsend_chat_message('{first}')", [NO, "CH403", "CH410", "CH403", "CH403", NO]),
    ("select public.unsend_chat_message('{second}')", [NO, "CH403", "CH403", "1", "CH403", NO]),
    ("select public.unsend_chat_message('{third}')", [NO, "CH403", "1", "CH403", "CH403", NO]),
    ("select public.unsend_chat_message('{taken}')", [NO, "1", "CH403", "CH403", "CH403", NO]),
    ("select public.unsend_chat_message('{erins}')", [NO, "CH403", "CH403", "CH403", "CH403", NO]),
    ("select public.unsend_chat_message('{zoe}')", [NO, "CH403", "CH403", "CH403", "CH403", NO]),
    ("select public.react_chat_message('{first}', '\u{1f44d}')", [NO, "CH403", "1", "1", "CH403", NO]),
    ("select public.react_chat_message('{second}')", [NO, "CH403", "1", "1", "CH403", NO]),
    ("select public.react_chat_message('{third}', '')", [NO, "CH403", "23514", "23514", "CH403", NO]),
    ("select public.react_chat_message('{third}', repeat('x', 33))", [NO, "CH403", "23514", "23514", "CH403", NO]),
    ("select public.react_chat_message('{taken}', '\u{1f44d}')", [NO, "1", "CH403", "CH403", "CH403", NO]),
    ("select public.react_chat_message('{erins}', '\u{1f44d}')", [NO, "CH403", "1", "CH403", "CH403", NO]),
    ("select public.react_chat_message('{zoe}', '\u{1f44d}')", [NO, "CH403", "CH403", "CH403", "CH403", NO]),
    (
        // A window of one's own, and a message made younger.
        "with forged as materialized (select set_config('chat.edit_window', '99 years', true), set_config('chat.unsend_window', '', true))
         select public.edit_chat_message('{first}', 'changed') from forged",
        [NO, "CH403", "CH410", "CH403", "CH403", NO],
    ),
    ("update public.chat_limits set edit_window = null, unsend_window = null", BACKEND),
    ("update public.chat_messages set created_at = now() where id = '{first}'", NOBODY),
    (
        "insert into public.chat_messages (id, thread_id, sender_supabase_id, sender_mongo_id, recipient_mongo_id, body, created_at)
         values ('{first}', 'ana__ben', '{me}', '{my_mongo}', '{other}', 'x', now()) on conflict (id) do update set created_at = now()",
        NOBODY,
    ),
    ("update public.chat_messages set deleted_at = now(), body = '' where sender_supabase_id = '{me}'", NOBODY),
    ("update public.chat_messages set reaction_a = 'x', reaction_b = 'x'", NOBODY),
    ("update public.chat_messages set rev = 1", NOBODY),
    ("update public.chat_threads set last_rev = 0", NOBODY),
    ("select chat_private.change_message('{first}', 'react', 'x')", NOBODY),
    ("select chat_private.thread_page('{ana}', 'ana__ben', 0, 9, 50, 0, 200)", NOBODY),
    ("select chat_private.list_chat_page('ana__ben', 0, 9, 50, 0)", NOBODY),
    ("select chat_private.number_change()", NOBODY),
    ("select chat_private.count_change()", NOBODY),
    ("select chat_private.announce_change()", NOBODY),
    ("select chat_private.check_body('x')", NOBODY),
    ("select * from chat_private.public_messages", NOBODY),
    ("alter table public.chat_messages disable trigger chat_messages_number_change", NOBODY),
    (
        "select * from jsonb_path_query(public.list_chat_page('ana__ben')::jsonb, '$.messages[*]')",
        [NO, "0", "3", "3", "0", NO],
    ),
    (
        "select * from jsonb_path_query(public.list_chat_page('cleo__dan', 0, 99, 2147483647, 0)::jsonb, '$.*[*]') row where row ? 'body'",
        [NO, "1", "0", "0", "0", NO],
    ),
    (
        "select * from jsonb_path_query(public.list_chat_page('%')::jsonb, '$.messages[*]')",
        [NO, "0", "0", "0", "0", NO],
    ),
    (
        "select * from jsonb_path_query(public.list_chat_page(null, null, null, null, null)::jsonb, '$.messages[*]')",
        [NO, "0", "0", "0", "0", NO],
    ),
    (
        "select * from jsonb_path_query(public.sync_chat('[{\"thread_id\": \"ana__ben\", \"known\": 0}, {\"thread_id\": \"cleo__dan\", \"known\": -1},
         {\"thread_id\": \"ana__erin\", \"known\": 0}]'), '$.threads[*].messages[*]')",
        [NO, "1", "4", "3", "0", NO],
    ),
    ("select public.sync_chat('[{\"thread_id\": \"ana__ben\", \"known\": \"x\"}]')", [NO, "22P02", "22P02", "22P02", "22P02", NO]),
    // Replying.
    ("select public.insert_chat_message('ana__ben', '{my_mongo}', '{other}', 'x', null, 2)", [NO, NO, "1", "1", NO, NO]),
    ("select public.insert_chat_message('ana__ben', '{my_mongo}', '{other}', 'x', null, 4)", [NO, NO, "23514", "23514", NO, NO]),
    ("select public.insert_chat_message('ana__ben', '{my_mongo}', '{other}', 'x', null, 0)", [NO, NO, "23514", "23514", NO, NO]),
    (
        "select public.insert_chat_messages('ana__ben', '{my_mongo}', '{other}', '[{\"id\": \"{zoe}\", \"body\": \"x\", \"reply_to\": 4}]')",
        [NO, NO, "23514", "23514", NO, NO],
    ),
    // The private schema.
    ("select chat_private.number_message()", NOBODY),
    ("select chat_private.count_message()", NOBODY),
    ("select chat_private.broadcast_message()", NOBODY),
    ("select chat_private.first_thread()", NOBODY),
    ("select chat_private.last_thread()", NOBODY),
    ("select chat_private.is_mongo_id('a')", NOBODY),
    // What the API's functions say to the policy, said by somebody else.
    (
        "with named as materialized (select set_config('chat.thread_id', 'cleo__dan', true))
         select m.* from named, public.chat_messages m where m.thread_id = 'cleo__dan'",
        [NO, "1", "0", "0", "0", "1"],
    ),
    (
        "with named as materialized (select set_config('chat.thread_id', 'cleo__dan', true))
         select m.* from named, public.chat_messages m",
        [NO, "1", "0", "0", "0", "5"],
    ),
    ("create function chat_private.mine() returns int language sql as 'select 1'", NOBODY),
    ("create function public.mine() returns int language sql as 'select 1'", NOBODY),
    // Realtime's schema, with the topic of ana__ben set as at a join.
    ("select * from realtime.messages", ["0", "0", "3", "3", "0", "5"]),
    ("select * from realtime.messages where topic = 'chat:cleo__dan'", ["0", "0", "0", "0", "0", "1"]),
    ("insert into realtime.messages (topic, extension) values ('chat:ana__ben', 'broadcast')", BACKEND),
    ("insert into realtime.messages (topic, extension) values ('chat:ana__ben', 'presence')", BACKEND),
    ("insert into realtime.messages (topic, extension) values ('chat-inbox:{me}', 'broadcast')", BACKEND),
    ("insert into realtime.messages (topic, extension) values ('chat-inbox:{dan}', 'broadcast')", BACKEND),
    ("select * from realtime.messages where topic like 'chat-inbox:%'", ["0"; 6]),
    ("update realtime.messages set payload = '{}'", ["0", "0", "0", "0", "0", "5"]),
    ("delete from realtime.messages", NOBODY),
    ("select realtime.keep_message_partitions()", NOBODY),
    (
        // It swallows its refusal, so it is asked what it left.
        "with sent as materialized (select realtime.send('{}', 'INSERT', 'chat:ana__ben')) select * from sent",
        ["1"; 6],
    ),
    // Auth's schema.
    ("select * from auth.users", NOBODY),
    ("select * from auth.refresh_tokens", NOBODY),
];

/// What tutorials have people do to Realtime's table: everybody may read and write every topic.
pub const TUTORIAL: &str = "
    create policy \"Anyone can receive\" on realtime.messages for select using (true);
    create policy \"Anyone can send\" on realtime.messages for insert with check (true);
    create policy \"Everything for users\" on realtime.messages for all to authenticated using (true) with check (true)";

/// An account of its own for what the doors ask for, ids of the messages to name, and one that is too old to be changed.
pub async fn prepare(database: &Database) -> Result<()> {
    database
        .superuser()
        .await?
        .batch_execute(&fill(
            "insert into auth.users (id, email) values ('{zoe}', 'zoe@example.com');
             update public.chat_messages set id = (case thread_id when 'ana__ben' then '{first}' when 'cleo__dan' then '{taken}' else '{erins}' end)::uuid
              where seq = 1;
             update public.chat_messages set id = '{second}' where thread_id = 'ana__ben' and seq = 2;
             update public.chat_messages set id = '{third}' where thread_id = 'ana__ben' and seq = 3;
             update public.chat_messages set created_at = '2020-01-01' where id = '{first}'",
            Actor::Anon,
        ))
        .await?;
    Ok(())
}

pub fn fill(statement: &str, actor: Actor) -> String {
    let me = match actor {
        Actor::User(person) => person,
        _ => Ana,
    };
    let id = |person: Person| person.supabase_id().to_string();
    statement
        .replace("{me}", &id(me))
        .replace("{my_mongo}", me.mongo_id())
        .replace("{other}", if me == Ben { "ana" } else { "ben" })
        .replace("{ana}", &id(Ana))
        .replace("{cleo}", &id(Cleo))
        .replace("{dan}", &id(Person::Dan))
        .replace("{zoe}", "00000000-0000-0000-0000-00000000beef")
        .replace("{fresh}", r#"{"id": "00000000-0000-4000-8000-00000000f00d", "body": "x"}"#)
        .replace("{first}", "00000000-0000-4000-8000-00000000ab01")
        .replace("{second}", "00000000-0000-4000-8000-00000000ab02")
        .replace("{third}", "00000000-0000-4000-8000-00000000ab03")
        .replace("{taken}", "00000000-0000-4000-8000-00000000cd01")
        .replace("{erins}", "00000000-0000-4000-8000-00000000ae01")
}

/// Runs a statement as the actor and takes it back.
pub async fn attempt(api: &mut Client, actor: Actor, statement: &str) -> Result<String> {
    outcome(api.transaction().await?, actor, statement).await
}

/// What a statement in a transaction (or a savepoint) of its own comes to: a count of rows, or the SQLSTATE of its refusal.
pub async fn outcome(transaction: Transaction<'_>, actor: Actor, statement: &str) -> Result<String> {
    // In one message: some tests try ten thousands of cells.
    let enter = format!(
        "set local realtime.topic = 'chat:ana__ben'; set local role {}; set local request.jwt.claims = '{}'",
        actor.role(),
        actor.claims()
    );
    transaction.batch_execute(&enter).await?;
    let outcome = match transaction.simple_query(statement).await {
        Ok(messages) => messages
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::CommandComplete(rows) => Some(rows.to_string()),
                _ => None,
            })
            .context("the statement did not complete")?,
        Err(error) => sqlstate(&anyhow::Error::new(error)).to_owned(),
    };
    transaction.rollback().await?;
    Ok(outcome)
}

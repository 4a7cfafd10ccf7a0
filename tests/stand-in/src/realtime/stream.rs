//! The way of a row of `realtime.messages` from its commit to the channels.
//!
//! Realtime reads the rows from a temporary logical replication slot. Here a trigger notifies the row's id and the
//! server reads the row: notifications arrive in commit order, none is kept for a listener that is away, and it works
//! on a database whose `wal_level` is not `logical`. What is lost while the connection is down stays lost, as there.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::{
    hub::Hub,
    phoenix::{Broadcast, Content},
};
use crate::faults::Faults;

const TRIGGER: &str = r#"
create schema if not exists supabase_local;
create or replace function supabase_local.notify_message() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform pg_catalog.pg_notify('supabase_local_messages', new.id::text);
  return null;
end
$$;
revoke all on function supabase_local.notify_message() from public;
do $$
begin
  if not exists (select from pg_catalog.pg_trigger
                 where tgrelid = 'realtime.messages'::regclass and tgname = 'supabase_local_notify') then
    create trigger supabase_local_notify after insert on realtime.messages
      for each row when (new.extension = 'broadcast' and new.event is not null)
      execute function supabase_local.notify_message();
  end if;
end
$$;
"#;

const ROWS: &str = "select m.id::text, m.topic, m.event, m.private, m.payload::text, m.binary_payload
from unnest($1::text[]) with ordinality as wanted (id, place)
join realtime.messages m on m.id = wanted.id::uuid and m.inserted_at > now()::timestamp - interval '1 day'
order by wanted.place";

/// A burst is read in pieces of so many rows.
const PIECE: usize = 500;
const RETRY: Duration = Duration::from_millis(500);

pub async fn install(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(TRIGGER).await
}

/// Streams until the task is dropped; `ready` is told when the first connection listens.
pub async fn run(url: String, hub: Arc<Hub>, faults: Arc<Faults>, ready: oneshot::Sender<()>) {
    let mut ready = Some(ready);
    loop {
        if let Err(error) = listen(&url, &hub, &faults, &mut ready).await {
            tracing::warn!("the stream of realtime.messages broke, trying again: {error:#}");
        }
        hub.set_streaming(false);
        tokio::time::sleep(RETRY).await;
    }
}

async fn listen(url: &str, hub: &Hub, faults: &Faults, ready: &mut Option<oneshot::Sender<()>>) -> anyhow::Result<()> {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await?;
    let (ids, mut waiting) = mpsc::unbounded_channel();
    let pump = async move {
        let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(message) = messages.next().await {
            match message {
                Ok(AsyncMessage::Notification(n)) => {
                    let _ = ids.send(n.payload().to_owned());
                }
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    let deliver = async {
        client.batch_execute("listen supabase_local_messages").await?;
        let rows = client.prepare(ROWS).await?;
        hub.set_streaming(true);
        if let Some(ready) = ready.take() {
            let _ = ready.send(());
        }
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, PIECE).await > 0 {
            let read = client.query(&rows, &[&batch]).await?;
            batch.clear();
            for row in read {
                let id: String = row.get(0);
                let content = match (row.get(4), row.get::<_, Option<Vec<u8>>>(5)) {
                    (Some(payload), _) => Content::Row { id, payload },
                    (None, Some(bytes)) => Content::BinaryRow { id, bytes: bytes.into() },
                    (None, None) => continue,
                };
                let broadcast = Broadcast {
                    topic: row.get(1),
                    event: row.get(2),
                    private: row.get::<_, Option<bool>>(3).unwrap_or(false),
                    content,
                };
                hub.publish_row(&Arc::new(broadcast), faults);
            }
        }
        Ok::<_, tokio_postgres::Error>(())
    };
    tokio::select! {
        ended = pump => ended?,
        ended = deliver => ended?,
    }
    anyhow::bail!("PostgreSQL closed the connection")
}

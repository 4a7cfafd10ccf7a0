//! Who is joined where, and the delivery of broadcasts to them, faults included.

use std::collections::{BTreeMap, HashMap};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use super::phoenix::{Broadcast, Vsn};
use super::rate::Rate;
use crate::faults::{Faults, Match, Place, Subject};

pub type SocketId = u64;
pub type ChannelId = u64;

/// What reaches a socket's task from outside its connection.
#[derive(Debug)]
pub enum Notice {
    Broadcast(ChannelId, Arc<Broadcast>),
    /// The channel's token counts as expired.
    Expire(ChannelId),
    /// The project's message rate is exceeded: the channel that received something is closed.
    RateExceeded(ChannelId),
    /// The server restarts: close 1012.
    Restart,
}

#[derive(Debug, Clone)]
pub struct Mailbox {
    pub notices: mpsc::UnboundedSender<Notice>,
    /// Ends the connection at once, without a close frame.
    pub cut: Arc<Notify>,
}

/// A joined channel, as the hub knows it.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub socket: SocketId,
    pub private: bool,
    /// Without `realtime:`.
    pub topic: String,
    pub join_ref: Value,
    pub user: Option<String>,
    pub role: String,
}

#[derive(Default)]
pub struct Hub {
    members: Mutex<Members>,
    next_id: AtomicU64,
    /// Whether inserts of `realtime.messages` are being streamed.
    streaming: AtomicBool,
    pub rate: Rate,
}

#[derive(Default)]
struct Members {
    sockets: BTreeMap<SocketId, (Vsn, Mailbox)>,
    channels: BTreeMap<ChannelId, Subscription>,
    by_topic: HashMap<(bool, String), Vec<ChannelId>>,
}

impl Hub {
    pub fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn streaming(&self) -> bool {
        self.streaming.load(Ordering::Relaxed)
    }

    pub fn set_streaming(&self, on: bool) {
        self.streaming.store(on, Ordering::Relaxed);
    }

    pub fn connect(&self, vsn: Vsn, mailbox: Mailbox) -> SocketId {
        let id = self.new_id();
        self.lock().sockets.insert(id, (vsn, mailbox));
        id
    }

    pub fn disconnect(&self, socket: SocketId) {
        let mut members = self.lock();
        members.sockets.remove(&socket);
        let left: Vec<ChannelId> =
            members.channels.iter().filter(|(_, c)| c.socket == socket).map(|(id, _)| *id).collect();
        for channel in left {
            members.leave(channel);
        }
    }

    pub fn join(&self, subscription: Subscription) -> ChannelId {
        let id = self.new_id();
        let mut members = self.lock();
        let topic = (subscription.private, subscription.topic.clone());
        members.by_topic.entry(topic).or_default().push(id);
        members.channels.insert(id, subscription);
        id
    }

    pub fn leave(&self, channel: ChannelId) {
        self.lock().leave(channel);
    }

    pub fn set_user(&self, channel: ChannelId, user: Option<String>, role: String) {
        if let Some(subscription) = self.lock().channels.get_mut(&channel) {
            subscription.user = user;
            subscription.role = role;
        }
    }

    /// Hands a broadcast to every channel of its topic but one.
    pub fn publish(&self, broadcast: &Arc<Broadcast>, except: Option<ChannelId>) {
        let members = self.lock();
        self.rate.count(1);
        for (channel, mailbox) in members.on_topic(broadcast).filter(|(channel, _)| Some(*channel) != except) {
            self.rate.count(1);
            send(mailbox, Notice::Broadcast(channel, Arc::clone(broadcast)));
            if self.rate.exceeded() {
                send(mailbox, Notice::RateExceeded(channel));
            }
        }
    }

    /// Hands over a row of `realtime.messages`; here the broadcast faults take effect, channel by channel.
    pub fn publish_row(&self, row: &Arc<Broadcast>, faults: &Faults) {
        let subject = Subject { event: &row.event, topic: &row.topic, ..Subject::default() };
        if faults.at(Place::Replication, &Subject::default()).is_some() || self.rate.exceeded() {
            return;
        }
        let members = self.lock();
        self.rate.count(1 + members.on_topic(row).count() as u64);
        for (channel, mailbox) in members.on_topic(row) {
            let effect = faults.at(Place::Broadcast, &subject).unwrap_or_default();
            if effect.cut {
                mailbox.cut.notify_one();
            }
            if effect.expire {
                send(mailbox, Notice::Expire(channel));
            }
            if effect.drop || effect.silent || effect.cut || effect.expire {
                continue;
            }
            for _ in 0..=u8::from(effect.duplicate) {
                let notice = Notice::Broadcast(channel, Arc::clone(row));
                match effect.delay() {
                    None => send(mailbox, notice),
                    Some(delay) => {
                        let mailbox = mailbox.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(delay).await;
                            send(&mailbox, notice);
                        });
                    }
                }
            }
        }
    }

    /// Cuts the sockets that have a channel on a matching topic; all of them where the match names no topic.
    pub fn cut(&self, matches: &Match) -> usize {
        let members = self.lock();
        let joined = |socket: SocketId| members.channels.values().any(|c| c.socket == socket && fits(matches, c));
        let hit = members.sockets.iter().filter(|(id, _)| matches.topic.is_none() || joined(**id));
        hit.map(|(_, (_, mailbox))| mailbox.cut.notify_one()).count()
    }

    /// Lets the tokens of matching channels count as expired.
    pub fn expire(&self, matches: &Match) -> usize {
        let members = self.lock();
        let hit = members.channels.iter().filter(|(_, c)| fits(matches, c));
        hit.filter_map(|(id, c)| Some((id, members.sockets.get(&c.socket)?)))
            .map(|(id, (_, mailbox))| send(mailbox, Notice::Expire(*id)))
            .count()
    }

    pub fn restart(&self) -> usize {
        let members = self.lock();
        let hit = members.sockets.values();
        hit.map(|(_, mailbox)| send(mailbox, Notice::Restart)).count()
    }

    /// Sockets with the topics they have joined, for the admin port.
    pub fn state(&self) -> Value {
        let members = self.lock();
        let sockets = members.sockets.iter().map(|(id, (vsn, _))| {
            let channels = members.channels.values().filter(|c| c.socket == *id);
            let channels: Vec<Value> = channels
                .map(|c| {
                    json!({
                        "topic": c.topic,
                        "private": c.private,
                        "join_ref": c.join_ref,
                        "user_id": c.user,
                        "role": c.role,
                    })
                })
                .collect();
            json!({"id": id, "vsn": vsn.name(), "channels": channels})
        });
        sockets.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    fn leave(&mut self, channel: ChannelId) {
        let Some(subscription) = self.channels.remove(&channel) else {
            return;
        };
        let topic = (subscription.private, subscription.topic);
        if let Some(ids) = self.by_topic.get_mut(&topic) {
            ids.retain(|id| *id != channel);
            if ids.is_empty() {
                self.by_topic.remove(&topic);
            }
        }
    }

    fn on_topic(&self, broadcast: &Broadcast) -> impl Iterator<Item = (ChannelId, &Mailbox)> {
        let topic = (broadcast.private, broadcast.topic.clone());
        let ids = self.by_topic.get(&topic).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| {
            let socket = self.channels.get(id)?.socket;
            Some((*id, &self.sockets.get(&socket)?.1))
        })
    }
}

fn fits(matches: &Match, channel: &Subscription) -> bool {
    let subject = Subject { topic: &channel.topic, ..Subject::default() };
    let by_topic = Match { topic: matches.topic.clone(), ..Match::default() };
    by_topic.fits(&subject)
}

/// A socket that has just gone takes its mailbox along; nothing is owed to it.
fn send(mailbox: &Mailbox, notice: Notice) {
    let _ = mailbox.notices.send(notice);
}

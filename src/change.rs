//! What a person does to a message that is there already: edit it, unsend it, react to it.

use crate::error::ChatError;
use crate::message::MessageId;
use std::rc::Rc;

/// One thing that a person does to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its text becomes this one ([`crate::message::check_body`] passed).
    Edit(Rc<str>),
    /// It is taken back: its number stays, its text goes.
    Unsend,
    /// This person's reaction becomes this emoji, or none.
    React(Option<Rc<str>>),
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Change`")]
pub enum Kind {
    Edit,
    Unsend,
    React,
}

/// What is still to become of one message. Of each kind only the last intent is kept, and an unsend takes the place of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingChange {
    /// The message.
    pub id: MessageId,
    /// Its text from then on.
    pub edit: Option<Rc<str>>,
    /// Whether it is taken back.
    pub unsend: bool,
    /// This person's reaction from then on: `Some(None)` takes it back.
    pub reaction: Option<Option<Rc<str>>>,
    /// Which of them the server refused, and why. It is not shown as done, and waits for
    /// [`retry`](crate::io::Input::Retry) or [`discard`](crate::io::Input::Discard); the others go on.
    pub refused: Option<(Kind, ChatError)>,
}

/// For how long after it was sent a message can be changed, as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// In seconds; `None` is for ever.
    pub edit: Option<u64>,
    /// In seconds; `None` is for ever.
    pub unsend: Option<u64>,
    /// The server's clock, a moment ago.
    pub now: String,
}

impl Kind {
    /// As pages and storage see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Edit => "edit",
            Kind::Unsend => "unsend",
            Kind::React => "react",
        }
    }

    /// The kind that [`Kind::as_str`] gave.
    pub fn parse(text: &str) -> Option<Self> {
        [Kind::Edit, Kind::Unsend, Kind::React].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Change {
    /// Which it is.
    pub fn kind(&self) -> Kind {
        match self {
            Change::Edit(_) => Kind::Edit,
            Change::Unsend => Kind::Unsend,
            Change::React(_) => Kind::React,
        }
    }
}

impl PendingChange {
    /// Nothing yet.
    pub fn of(id: MessageId) -> Self {
        PendingChange { id, edit: None, unsend: false, reaction: None, refused: None }
    }

    /// Whether nothing is left of it.
    pub fn is_empty(&self) -> bool {
        self.edit.is_none() && !self.unsend && self.reaction.is_none()
    }

    /// Whether it is taken back for good, as far as this person knows.
    fn is_unsent(&self) -> bool {
        self.unsend && !self.is_refused(Kind::Unsend)
    }

    fn is_refused(&self, kind: Kind) -> bool {
        self.refused.as_ref().is_some_and(|(refused, _)| *refused == kind)
    }

    /// The person wants this too. Returns whether it makes a difference: of a message that is being unsent nothing more can be
    /// changed.
    pub fn add(&mut self, change: Change) -> bool {
        if self.is_unsent() {
            return false;
        }
        if self.is_refused(change.kind()) || self.is_refused(Kind::Unsend) {
            self.take_refused();
        }
        match change {
            Change::Edit(body) => self.edit = Some(body),
            Change::React(emoji) => self.reaction = Some(emoji),
            Change::Unsend => *self = PendingChange { unsend: true, ..PendingChange::of(self.id) },
        }
        true
    }

    /// An earlier page wanted `older` of the same message: that still holds where this one wants nothing else.
    pub fn restore(&mut self, older: PendingChange) {
        if self.is_unsent() || older.is_unsent() {
            *self = PendingChange { unsend: true, ..PendingChange::of(self.id) };
            return;
        }
        let keeps = |kind| match kind {
            Kind::Edit => self.edit.is_none(),
            Kind::React => self.reaction.is_none(),
            Kind::Unsend => !self.unsend,
        };
        let refused = older.refused.filter(|(kind, _)| keeps(*kind));
        self.unsend |= older.unsend;
        self.edit = self.edit.take().or(older.edit);
        self.reaction = self.reaction.take().or(older.reaction);
        // Of two refusals that of the reaction is forgotten.
        match (&self.refused, refused) {
            (Some((Kind::React, _)), Some(refused)) => {
                self.reaction = None;
                self.refused = Some(refused);
            }
            (Some(_), Some((Kind::React, _))) => self.reaction = None,
            (Some(_), _) => {}
            (None, refused) => self.refused = refused,
        }
    }

    /// What is to be asked for next.
    pub fn next(&self) -> Option<Change> {
        let unsend = self.unsend.then_some(Change::Unsend);
        let edit = || self.edit.clone().map(Change::Edit);
        let reaction = || self.reaction.clone().map(Change::React);
        [unsend, edit(), reaction()].into_iter().flatten().find(|change| !self.is_refused(change.kind()))
    }

    /// `change` is done. What was wanted since stays.
    pub fn done(&mut self, change: &Change) {
        match change {
            Change::Edit(body) if self.edit.as_ref() == Some(body) => self.edit = None,
            Change::React(emoji) if self.reaction.as_ref() == Some(emoji) => self.reaction = None,
            Change::Unsend => self.unsend = false,
            _ => {}
        }
    }

    /// The server refused `change`, unless something else is wanted in its place by now. Of two refusals that of the reaction is
    /// forgotten: no text is lost with it.
    pub fn refuse(&mut self, change: &Change, error: ChatError) {
        if self.next().as_ref() != Some(change) {
            return;
        }
        if self.refused.is_some() {
            self.reaction = None;
        }
        if self.refused.is_none() || change.kind() != Kind::React {
            self.refused = Some((change.kind(), error));
        }
    }

    /// Asks for what was refused again. Returns whether there was anything.
    pub fn retry(&mut self) -> bool {
        self.refused.take().is_some()
    }

    /// Drops what was refused. Returns whether there was anything.
    pub fn take_refused(&mut self) -> bool {
        let Some((kind, _)) = self.refused.take() else { return false };
        match kind {
            Kind::Edit => self.edit = None,
            Kind::Unsend => self.unsend = false,
            Kind::React => self.reaction = None,
        }
        true
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::Code;

    fn edit(body: &str) -> Change {
        Change::Edit(body.into())
    }

    fn react(emoji: Option<&str>) -> Change {
        Change::React(emoji.map(Rc::from))
    }

    fn pending(changes: &[Change]) -> PendingChange {
        let mut pending = PendingChange::of(MessageId(1));
        for change in changes {
            pending.add(change.clone());
        }
        pending
    }

    #[test]
    fn the_last_intent_of_each_kind_counts() {
        let mut change = pending(&[react(Some("a")), edit("one"), react(None), edit("two")]);
        assert_eq!(change.next(), Some(edit("two")));
        change.done(&edit("two"));
        assert_eq!(change.next(), Some(react(None)), "what was liked and unliked is asked for once");
        change.done(&react(None));
        assert!(change.is_empty() && change.next().is_none());
    }

    #[test]
    fn what_was_wanted_meanwhile_stays() {
        let mut change = pending(&[edit("one")]);
        change.add(edit("two"));
        change.done(&edit("one"));
        assert_eq!(change.next(), Some(edit("two")));
        change.refuse(&edit("one"), Code::Refused.into());
        assert_eq!(change.refused, None, "it is the one before that was refused");
    }

    #[test]
    fn an_unsend_takes_the_place_of_all_and_ends_it() {
        let mut change = pending(&[edit("one"), react(Some("a")), Change::Unsend]);
        assert!(!change.add(edit("late")) && !change.add(react(None)));
        assert_eq!(change.next(), Some(Change::Unsend));
        change.done(&Change::Unsend);
        assert!(change.is_empty());
    }

    #[test]
    fn what_is_refused_waits_and_lets_the_others_pass() {
        let mut change = pending(&[edit("one"), react(Some("a"))]);
        change.refuse(&edit("one"), Code::Refused.into());
        assert_eq!((change.next(), change.edit.as_deref()), (Some(react(Some("a"))), Some("one")));
        assert!(change.retry() && !change.retry());
        assert_eq!(change.next(), Some(edit("one")));
        change.refuse(&edit("one"), Code::Refused.into());
        assert!(change.take_refused());
        assert_eq!((change.next(), change.edit.clone()), (Some(react(Some("a"))), None));
    }

    #[test]
    fn what_an_earlier_page_wanted_still_holds() {
        let mut change = pending(&[react(None)]);
        change.restore(pending(&[edit("one"), react(Some("a"))]));
        assert_eq!((change.edit.as_deref(), change.reaction.clone()), (Some("one"), Some(None)));
        let mut refused = pending(&[edit("two")]);
        refused.refuse(&edit("two"), Code::Refused.into());
        let mut change = pending(&[react(None)]);
        change.restore(refused.clone());
        assert_eq!((change.next(), change.refused.is_some()), (Some(react(None)), true));
        let mut change = pending(&[edit("three")]);
        change.restore(refused);
        assert_eq!((change.next(), change.refused), (Some(edit("three")), None), "it is another text");
        let mut change = pending(&[edit("three")]);
        change.restore(pending(&[Change::Unsend]));
        assert_eq!((change.next(), change.edit), (Some(Change::Unsend), None));
    }

    #[test]
    fn of_two_refusals_that_of_the_text_stays() {
        for order in [[edit("one"), react(Some("a"))], [react(Some("a")), edit("one")]] {
            let mut change = pending(&[react(Some("a"))]);
            if order[0] == edit("one") {
                change.add(edit("one"));
            }
            change.refuse(&order[0], Code::Refused.into());
            change.add(order[1].clone());
            change.refuse(&order[1], Code::Refused.into());
            assert_eq!(change.refused.as_ref().map(|(kind, _)| *kind), Some(Kind::Edit));
            assert_eq!((change.next(), change.reaction.clone()), (None, None));
        }
    }

    #[test]
    fn after_a_refused_unsend_it_can_be_edited() {
        let mut change = pending(&[Change::Unsend]);
        change.refuse(&Change::Unsend, Code::Refused.into());
        assert!(change.add(edit("one")));
        assert_eq!((change.next(), change.unsend, change.refused), (Some(edit("one")), false, None));
    }
}

//! Deliberate faults of the engine, for the simulation to catch: a test that can't fail proves nothing.
//!
//! Only with the feature `mutations`, which nothing that ships has; without it every question is `false` at compile time.

/// A promise broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Mutation {
    NoCatchUpAfterJoin,
    NoDedupe,
    OrderByArrival,
    RetryWithNewId,
    SkipHoleCheck,
    TrustClientClock,
    IgnoreSleep,
    NoPoll,
    IgnoreServerClose,
    NoHeartbeatDeadline,
    LastInFirstOut,
    DropOnNetworkFailure,
    UnstoreBeforeAnswer,
    UseExpiredToken,
    NoBackoff,
    FullPageCoversAll,
    KeepPendingOfRow,
    ForgetRefused,
    NoRequestTimeout,
    NoRejoinAfterSocket,
    SendWhileRestoring,
    StopOnRefusal,
    TrustShortPage,
    KeepOldHistory,
    ReadStorm,
    AnybodysToken,
    SignedOutForGood,
    PatientProbe,
    BlockedForEver,
    GatewayStops,
    ReadOnlyRefuses,
    DeafBackoffs,
    LiveUnready,
    KnockOffline,
    HiddenKeepsSocket,
    AnyReadEarly,
    BlameTheFirst,
    SyncSkipsThreads,
    SyncTrustsLastSeq,
    SyncOrNothing,
    PutOffForGood,
    CacheForAnybody,
    CacheIsTruth,
    MarkersGoBack,
    CountUp,
    ForgetDoubt,
    ForgetMarks,
    SeenIsNewest,
    KnownIsHighest,
    NoRewind,
    DropUnloaded,
    TombstoneIsUnread,
    EditOvertakesSend,
}

impl Mutation {
    /// All of them.
    pub const ALL: &[Mutation] = &[
        Mutation::NoCatchUpAfterJoin,
        Mutation::NoDedupe,
        Mutation::OrderByArrival,
        Mutation::RetryWithNewId,
        Mutation::SkipHoleCheck,
        Mutation::TrustClientClock,
        Mutation::IgnoreSleep,
        Mutation::NoPoll,
        Mutation::IgnoreServerClose,
        Mutation::NoHeartbeatDeadline,
        Mutation::LastInFirstOut,
        Mutation::DropOnNetworkFailure,
        Mutation::UnstoreBeforeAnswer,
        Mutation::UseExpiredToken,
        Mutation::NoBackoff,
        Mutation::FullPageCoversAll,
        Mutation::KeepPendingOfRow,
        Mutation::ForgetRefused,
        Mutation::NoRequestTimeout,
        Mutation::NoRejoinAfterSocket,
        Mutation::SendWhileRestoring,
        Mutation::StopOnRefusal,
        Mutation::TrustShortPage,
        Mutation::KeepOldHistory,
        Mutation::ReadStorm,
        Mutation::AnybodysToken,
        Mutation::SignedOutForGood,
        Mutation::PatientProbe,
        Mutation::BlockedForEver,
        Mutation::GatewayStops,
        Mutation::ReadOnlyRefuses,
        Mutation::DeafBackoffs,
        Mutation::LiveUnready,
        Mutation::KnockOffline,
        Mutation::HiddenKeepsSocket,
        Mutation::AnyReadEarly,
        Mutation::BlameTheFirst,
        Mutation::SyncSkipsThreads,
        Mutation::SyncTrustsLastSeq,
        Mutation::SyncOrNothing,
        Mutation::PutOffForGood,
        Mutation::CacheForAnybody,
        Mutation::CacheIsTruth,
        Mutation::MarkersGoBack,
        Mutation::CountUp,
        Mutation::ForgetDoubt,
        Mutation::ForgetMarks,
        Mutation::SeenIsNewest,
        Mutation::KnownIsHighest,
        Mutation::NoRewind,
        Mutation::DropUnloaded,
        Mutation::TombstoneIsUnread,
        Mutation::EditOvertakesSend,
    ];
}

#[cfg(feature = "mutations")]
mod switch {
    use super::Mutation;
    use std::cell::Cell;

    thread_local!(static ON: Cell<Option<Mutation>> = const { Cell::new(None) });

    /// Switches one on for this thread, and the others off.
    pub fn set(mutation: Option<Mutation>) {
        ON.set(mutation);
    }

    pub(crate) fn mutated(mutation: Mutation) -> bool {
        ON.get() == Some(mutation)
    }
}

#[cfg(not(feature = "mutations"))]
mod switch {
    use super::Mutation;

    pub(crate) const fn mutated(_: Mutation) -> bool {
        false
    }
}

pub(crate) use switch::mutated;
#[cfg(feature = "mutations")]
pub use switch::set;

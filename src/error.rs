//! Every failure that a page can see.

/// What went wrong, as a stable code that a page can switch on, with a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatError {
    /// The stable code.
    pub code: Code,
    /// What the other side said, where it said something.
    pub detail: Option<String>,
}

/// The stable codes. Their text form ([`Code::as_str`]) is part of the public API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// An option is missing or malformed.
    InvalidOptions,
    /// Nobody is signed in, or the token is refused again and again.
    AuthRequired,
    /// Signed in, but the account has no Mongo id linked to it.
    IdentityUnlinked,
    /// The signed-in person is not one of the thread's two.
    NotAParticipant,
    /// The network or the server can't be reached.
    Network,
    /// No answer in time.
    Timeout,
    /// The server failed, or answered something that is not understood.
    Server,
    /// Too many requests.
    RateLimited,
    /// The server refused the message.
    Refused,
    /// The message holds nothing but white space.
    MessageEmpty,
    /// The message is longer than [`crate::message::MAX_BODY_CHARS`].
    MessageTooLong,
    /// The project allows no private channels, or only those.
    PrivateOnly,
    /// Realtime is switched off or suspended for the project.
    RealtimeDisabled,
    /// A table, function or endpoint of the installation is missing.
    SetupMissing,
    /// It is too late to change the message.
    #[cfg(feature = "changes")]
    WindowOver,
    /// The message is somebody else's.
    #[cfg(feature = "changes")]
    NotYours,
    /// The message was unsent.
    #[cfg(feature = "changes")]
    AlreadyUnsent,
    /// The session is closed.
    Closed,
}

impl Code {
    const ALL: &[Code] = &[
        Code::InvalidOptions,
        Code::AuthRequired,
        Code::IdentityUnlinked,
        Code::NotAParticipant,
        Code::Network,
        Code::Timeout,
        Code::Server,
        Code::RateLimited,
        Code::Refused,
        Code::MessageEmpty,
        Code::MessageTooLong,
        Code::PrivateOnly,
        Code::RealtimeDisabled,
        Code::SetupMissing,
        #[cfg(feature = "changes")]
        Code::WindowOver,
        #[cfg(feature = "changes")]
        Code::NotYours,
        #[cfg(feature = "changes")]
        Code::AlreadyUnsent,
        Code::Closed,
    ];

    /// The code as pages see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidOptions => "invalid-options",
            Code::AuthRequired => "auth-required",
            Code::IdentityUnlinked => "identity-unlinked",
            Code::NotAParticipant => "not-a-participant",
            Code::Network => "network",
            Code::Timeout => "timeout",
            Code::Server => "server",
            Code::RateLimited => "rate-limited",
            Code::Refused => "refused",
            Code::MessageEmpty => "message-empty",
            Code::MessageTooLong => "message-too-long",
            Code::PrivateOnly => "private-only",
            Code::RealtimeDisabled => "realtime-disabled",
            Code::SetupMissing => "setup-missing",
            #[cfg(feature = "changes")]
            Code::WindowOver => "window-over",
            #[cfg(feature = "changes")]
            Code::NotYours => "not-yours",
            #[cfg(feature = "changes")]
            Code::AlreadyUnsent => "already-unsent",
            Code::Closed => "closed",
        }
    }

    /// The code that [`Code::as_str`] gave.
    pub fn parse(text: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// What happened and what to do, in one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Code::InvalidOptions => "An option of ChatSession is missing or malformed.",
            Code::AuthRequired => "You are signed out: sign in again.",
            Code::IdentityUnlinked => "This account has no Mongo id: set app_metadata.mongoUserId, see the README.",
            Code::NotAParticipant => "You are not one of the two people of this thread.",
            Code::Network => "The server can't be reached; trying again.",
            Code::Timeout => "The server did not answer in time; trying again.",
            Code::Server => "The server failed; trying again.",
            Code::RateLimited => "Too many requests; waiting before the next try.",
            Code::Refused => "The server refused the message.",
            Code::MessageEmpty => "A message needs some text.",
            Code::MessageTooLong => "A message holds at most 4000 characters.",
            Code::PrivateOnly => "This project refuses the private channel: check its Realtime settings.",
            Code::RealtimeDisabled => "Realtime is switched off for this project.",
            Code::SetupMissing => {
                "A table, function or endpoint is missing: apply sql/ and add the two routes, see the README."
            }
            #[cfg(feature = "changes")]
            Code::WindowOver => "It is too late to change this message.",
            #[cfg(feature = "changes")]
            Code::NotYours => "Only its author can change this message.",
            #[cfg(feature = "changes")]
            Code::AlreadyUnsent => "This message was unsent.",
            Code::Closed => "The session is closed.",
        }
    }
}

impl From<Code> for ChatError {
    fn from(code: Code) -> Self {
        ChatError { code, detail: None }
    }
}

impl ChatError {
    /// An error with what the other side said.
    pub fn with(code: Code, detail: Option<String>) -> Self {
        ChatError { code, detail }
    }
}

impl core::fmt::Display for ChatError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.code.sentence())?;
        if let Some(detail) = &self.detail {
            f.write_str(" (")?;
            f.write_str(detail)?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl core::error::Error for ChatError {}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_round_trip() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
        }
        // Its last variant: one that is added without a place in ALL is found here.
        assert_eq!(Code::ALL.len(), Code::Closed as usize + 1);
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, index);
        }
        assert_eq!(Code::parse("closed "), None);
        assert_eq!(Code::parse(""), None);
    }
}

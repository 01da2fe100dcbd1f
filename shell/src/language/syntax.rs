//! How a command is written: words, arguments, and what may follow.

use std::fmt;

use SyntaxElement::{Many, Maybe, One, Word};

/// What an argument names; the completion looks up such names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A profile.
    Profile,
    /// A user assigned to a profile or with a session.
    User,
    /// A group assigned to a profile.
    Group,
    /// The id of a session.
    Session,
    /// A PAM service.
    Service,
    /// A field of a profile.
    Field,
    /// A number.
    Value,
    /// What happens at the limit.
    OnLimit,
    /// A field of the kind named before, then its value, again and again.
    Assignments,
    /// Files, and `--apply`.
    Files,
    /// Words of a command.
    Command,
}

impl ArgumentKind {
    /// Returns the placeholder that stands for it in help and errors.
    #[must_use]
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Profile => "NAME",
            Self::User => "USER",
            Self::Group => "GROUP",
            Self::Session => "ID",
            Self::Service => "SERVICE",
            Self::Field => "FIELD",
            Self::Value => "VALUE",
            Self::OnLimit => "reject|ask|evict-oldest|log",
            Self::Assignments => "FIELD VALUE",
            Self::Files => "FILE|--apply",
            Self::Command => "COMMAND",
        }
    }
}

/// One element of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyntaxElement {
    /// Exactly this word.
    Word(&'static str),
    /// An argument that must be there.
    One(ArgumentKind),
    /// An argument that may be left out; always last.
    Maybe(ArgumentKind),
    /// Any number of arguments; always last.
    Many(ArgumentKind),
}

impl fmt::Display for SyntaxElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::One(noun) => f.write_str(noun.placeholder()),
            Self::Maybe(noun) => write!(f, "[{}]", noun.placeholder()),
            Self::Many(noun) => write!(f, "[{}]...", noun.placeholder()),
        }
    }
}

/// One form of a command, with its help and how its arguments become a value.
pub struct CommandSyntax<T: 'static> {
    /// The words and arguments in order.
    pub slots: &'static [SyntaxElement],
    /// One line of help.
    pub help: &'static str,
    pub(super) make: fn(&[String]) -> Result<T, String>,
}

impl<T> CommandSyntax<T> {
    /// Returns the form as it is written in help texts.
    #[must_use]
    pub fn usage(&self) -> String {
        self.slots.iter().map(SyntaxElement::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Returns the slot that the next word would fill, or nothing where `words` do not fit.
    #[must_use]
    pub fn next_slot(&self, words: &[String]) -> Option<Next> {
        let mut slots = self.slots.iter();
        let mut current = slots.next();
        for word in words {
            match current? {
                Word(expected) if word == expected => current = slots.next(),
                Word(_) => return None,
                One(_) | Maybe(_) => current = slots.next(),
                Many(_) => {}
            }
        }
        Some(current.map_or(Next::End, |slot| Next::SyntaxElement(*slot)))
    }

    pub(super) fn arguments(&self, words: &[String]) -> Vec<String> {
        let literals = self.slots.iter().take_while(|slot| matches!(slot, Word(_))).count();
        words.get(literals..).unwrap_or_default().to_vec()
    }
}

/// What a form expects after some words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A word or an argument.
    SyntaxElement(SyntaxElement),
    /// Nothing more.
    End,
}

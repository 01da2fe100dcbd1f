//! Carries commands out: what was typed goes to [`Administrator`], what comes back becomes an answer.

use session_limit_core::model::profile::Profile;

use session_limit_admin::administration::{Found, is_known};
use session_limit_admin::command::{Administrator, CallError};
use session_limit_admin::config::draft::{ConfigDraft, Object};
use session_limit_admin::error::{AdminError, AdminErrorKind};

use crate::language::grammar::{Change, Command, ObjectKind, Show};
use crate::output::exit_code::CommandError;
use crate::output::fleet;
use crate::output::response::Response;
use crate::output::views::{self, ActivityRow, UserRow};

/// The name in log lines.
pub const PROGRAM: &str = "shell";

/// Carries commands out with the rights of one user.
#[derive(Debug, Clone)]
pub struct Engine {
    /// What that user may see and change.
    pub admin: Administrator,
}

/// What a command comes to.
#[derive(Debug, Clone)]
pub enum CommandOutcome {
    /// An answer to show.
    Response(Response),
    /// The sub-mode begins with this draft.
    Configure(Box<ConfigDraft>),
}

impl Engine {
    /// Carries one command out. What the interpreter does by itself (`help`, `watch`, `history`, `exit`)
    /// answers nothing here.
    ///
    /// # Errors
    /// One line, and the exit code it means.
    pub fn run(&self, command: &Command) -> Result<CommandOutcome, CommandError> {
        let reply = match command {
            Command::Show(what) => self.show(what)?,
            Command::Status => self.status()?,
            Command::Explain(user, service) => self.explain(user, service.as_deref())?,
            Command::CheckLimit(name, limit) => self.check_limit(name, *limit)?,
            Command::Configure(kind, name, changes) => return self.configure(*kind, name, changes),
            Command::Delete(kind, name) => self.delete(*kind, name)?,
            Command::ClearSession(id) => {
                let cleared = self.admin.clear_session(*id);
                let hint = "an id that `show session` lists";
                warned(cleared.map_err(|error| hinted(error, hint))?, views::cleared)
            }
            Command::ClearSessionOf(one) => {
                let cleared = self.admin.clear_session_of(one);
                let hint = "a host and an id that `show session` lists";
                warned(cleared.map_err(|error| hinted(error, hint))?, views::cleared)
            }
            Command::ClearSessions(user) => {
                warned(self.admin.clear_sessions(user.as_deref())?, views::cleared)
            }
            Command::Unlock(name) => {
                warned(self.admin.unlock(name)?, |before| views::unlocked(name, *before))
            }
            Command::ImportLimits { files, apply } => {
                views::imported(&self.admin.import_limits(files, *apply)?, *apply)
            }
            Command::ExportLimits => views::exported(&self.admin.export_limits()?),
            Command::Help(_) | Command::Watch(_) | Command::History | Command::Exit => {
                Response::new::<()>("nothing", &[], "")
            }
        };
        Ok(CommandOutcome::Response(reply))
    }

    /// Carries a show command out.
    ///
    /// # Errors
    /// One line, and the exit code it means.
    pub fn show(&self, what: &Show) -> Result<Response, CommandError> {
        match what {
            Show::Object(ObjectKind::Profile, name) => self.show_profile(name.as_deref()),
            Show::Object(ObjectKind::User, Some(name)) => self.show_user(name),
            Show::Object(ObjectKind::User, None) => self.show_users(),
            Show::Object(ObjectKind::Group, name) => self.show_group(name.as_deref()),
            Show::Activity(name) => self.show_activity(name.as_deref()),
            Show::Refusals(name) => {
                Ok(warned(self.admin.refusals_of(name.as_deref())?, |all| views::refusals(all)))
            }
            Show::Sessions(name) => self.show_sessions(name.as_deref()),
            Show::Fleet => Ok(fleet::hosts(&self.admin.fleet_hosts()?)),
        }
    }

    /// Writes a draft, if the rights still allow it.
    ///
    /// # Errors
    /// One line, and the exit code it means.
    pub fn save(&self, draft: &mut ConfigDraft) -> Result<Response, CommandError> {
        let object = self.admin.save(draft)?;
        Ok(reply_of(draft.kind(), &object)
            .with_warnings(unknown_name(draft.kind(), draft.name()))
            .with_warnings(self.users_above(draft)))
    }

    fn show_profile(&self, name: Option<&str>) -> Result<Response, CommandError> {
        match name {
            None => {
                let profiles = self.admin.profiles()?;
                Ok(views::profiles(&profiles.iter().collect::<Vec<&Profile>>()))
            }
            Some(name) => {
                let profile = self.admin.profile(name);
                Ok(views::profile(&profile.map_err(|e| listed(e, ObjectKind::Profile))?))
            }
        }
    }

    fn show_users(&self) -> Result<Response, CommandError> {
        match self.admin.user_assignments()? {
            None => self.show_user(self.admin.own_name()),
            Some(users) => {
                Ok(views::assignments(ObjectKind::User, &users, is_known(ObjectKind::User)))
            }
        }
    }

    fn show_user(&self, name: &str) -> Result<Response, CommandError> {
        let found = self.admin.overview(name)?;
        Ok(warned(found, |user| views::user(&UserRow::new(user))))
    }

    fn show_group(&self, name: Option<&str>) -> Result<Response, CommandError> {
        let kind = ObjectKind::Group;
        let Some(name) = name else {
            return Ok(views::assignments(kind, &self.admin.group_assignments()?, is_known(kind)));
        };
        let entry = self.admin.group_assignment(name).map_err(|error| listed(error, kind))?;
        Ok(views::assignment(kind, &entry).with_warnings(unknown_name(kind, name)))
    }

    /// Sessions of this host, and where it is in a fleet those of the others.
    fn show_sessions(&self, name: Option<&str>) -> Result<Response, CommandError> {
        let found = self.admin.sessions_of(name)?;
        let (elsewhere, warning) = match self.admin.fleet_sessions(name) {
            Ok(None) => return Ok(warned(found, |seen| views::sessions(seen))),
            Ok(Some(elsewhere)) => (Some(elsewhere), None),
            Err(error) => {
                (None, Some(format!("only sessions of this host: {}", error.error.message)))
            }
        };
        let view = |seen: &Vec<_>| match &elsewhere {
            Some(elsewhere) => fleet::sessions(seen, elsewhere),
            None => views::sessions(seen),
        };
        Ok(warned(found, view).with_warnings(warning))
    }

    fn show_activity(&self, name: Option<&str>) -> Result<Response, CommandError> {
        let own = self.admin.own_name();
        let name = match name {
            None if self.admin.administers() => {
                let row = |users: &Vec<_>| users.iter().map(ActivityRow::new).collect::<Vec<_>>();
                return Ok(warned(self.admin.overviews()?, |all| views::activities(&row(all))));
            }
            None => own,
            Some(name) => name,
        };
        Ok(warned(self.admin.overview(name)?, |user| views::activity(&ActivityRow::new(user))))
    }

    fn configure(
        &self,
        kind: ObjectKind,
        name: &str,
        changes: &[Change],
    ) -> Result<CommandOutcome, CommandError> {
        let mut draft = self.admin.begin(kind, name)?;
        if changes.is_empty() {
            return Ok(CommandOutcome::Configure(Box::new(draft)));
        }
        for change in changes {
            draft.apply(change);
        }
        self.save(&mut draft).map(CommandOutcome::Response)
    }

    fn delete(&self, kind: ObjectKind, name: &str) -> Result<Response, CommandError> {
        self.admin.delete(kind, name).map_err(|error| listed(error, kind))?;
        Ok(Response::new::<()>(kind.word(), &[], ""))
    }
}

/// Makes an answer of what was found, with the mistake in the configuration as a warning.
fn warned<T>(found: Found<T>, view: impl FnOnce(&T) -> Response) -> Response {
    view(&found.value).with_warnings(found.mistake).with_warnings(found.warnings)
}

/// Says which command lists what there is.
pub(super) fn listed(error: CallError, kind: ObjectKind) -> CallError {
    hinted(error, &format!("one that `show {}` lists", kind.word()))
}

fn hinted(failure: CallError, expected: &str) -> CallError {
    match failure.error.kind {
        AdminErrorKind::NotFound => {
            let message = format!("{}, expected {expected}", failure.error.message);
            AdminError { message, ..failure.error }.into()
        }
        _ => failure,
    }
}

/// Warns of an entry for a name that the host does not know: it applies to no user.
fn unknown_name(kind: ObjectKind, name: &str) -> Option<String> {
    let word = kind.word();
    (!is_known(kind)(name))
        .then(|| format!("{word} `{name}` is not known to this host; the entry applies once it is"))
}

fn reply_of(kind: ObjectKind, object: &Object) -> Response {
    match object {
        Object::Profile(profile) => views::profile(profile),
        Object::ProfileAssignment(entry) => views::assignment(kind, entry),
    }
}

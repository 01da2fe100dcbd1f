//! Carries commands out, with the rights of the acting user.

use session_limit_core::config::Config;
use session_limit_core::log::{Level, Log};
use session_limit_core::model::profile::Profile;
use session_limit_core::model::sanitize::printable;
use session_limit_core::model::session::Session;
use session_limit_core::system::users::User;

use session_limit_admin::authorization::{AccessScope, Permission};
use session_limit_admin::config_store::ConfigFile;
use session_limit_admin::draft::{self, ConfigDraft, Object};

use crate::command::grammar::{Change, Command, ObjectKind, Show};
use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::failure::failure_of;
use crate::output::response::Response;
use crate::output::views::{self, ActivityRow, UserRow};
use session_limit_admin::limits_conf;
use session_limit_admin::sessions::Sessions;

/// Carries commands out on one configuration and one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// The configuration.
    pub config: ConfigFile,
    /// The store of sessions.
    pub sessions: Sessions,
    /// Whose rights count.
    pub user: User,
    /// The process that holds the acting user's own session, if it has one: `clear sessions` spares it.
    pub holder: Option<i32>,
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
    /// Carries one command out. `help`, `history` and `exit` are not for the engine: they answer nothing.
    ///
    /// # Errors
    /// One line, and the exit code it means.
    pub fn run(&self, command: &Command) -> Result<CommandOutcome, CommandError> {
        let reply = match command {
            Command::Show(what) => self.show(what)?,
            Command::Status => self.status()?,
            Command::Explain(user, service) => self.explain(user, service.as_deref())?,
            Command::Configure(kind, name, changes) => return self.configure(*kind, name, changes),
            Command::Delete(kind, name) => self.delete(*kind, name)?,
            Command::ClearSession(id) => self.clear_session(*id)?,
            Command::ClearSessions(user) => self.clear_sessions(user.as_deref())?,
            Command::ImportLimits { files, apply } => {
                self.reach(&self.read()?)?.check(Permission::Configure)?;
                let proposals =
                    limits_conf::import(&self.config, files, *apply, self.user.uid == 0)?;
                let reply = views::imported(&proposals, *apply);
                if *apply {
                    self.log("configure", "imported the limits of pam_limits");
                }
                reply
            }
            Command::ExportLimits => {
                let config = self.read()?;
                self.reach(&config)?.check(Permission::SeeAttachments)?;
                views::exported(&limits_conf::export(&config))
            }
            Command::Help(_) | Command::History | Command::Exit => {
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
        let config = self.read()?;
        match what {
            Show::Object(ObjectKind::Profile, name) => self.show_profile(&config, name.as_deref()),
            Show::Object(ObjectKind::User, Some(name)) => self.show_user(&config, name),
            Show::Object(ObjectKind::User, None) if self.reach(&config)? == AccessScope::All => {
                Ok(views::attachments(ObjectKind::User, &config.users))
            }
            Show::Object(ObjectKind::User, None) => self.show_user(&config, &self.own_name()),
            Show::Object(ObjectKind::Group, name) => self.show_group(&config, name.as_deref()),
            Show::Activity(name) => self.show_activity(&config, name.as_deref()),
            Show::Sessions(name) => self.show_sessions(&config, name.as_deref()),
        }
    }

    /// Writes a draft, if the rights still allow it.
    ///
    /// # Errors
    /// One line, and the exit code it means.
    pub fn save(&self, draft: &mut ConfigDraft) -> Result<Response, CommandError> {
        self.reach(&self.read()?)?.check(Permission::Configure)?;
        let object = draft.save(&self.config).map_err(failure_of)?;
        self.log("configure", &format!("saved {} {:?}", draft.kind().word(), draft.name()));
        Ok(reply_of(draft.kind(), &object))
    }

    /// Returns how far the acting user's rights go.
    ///
    /// # Errors
    /// When the name services fail.
    pub fn reach(&self, config: &Config) -> Result<AccessScope, CommandError> {
        Ok(AccessScope::of(&self.user, config)?)
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// The line the module would log.
    pub fn read(&self) -> Result<Config, CommandError> {
        self.config
            .read()
            .map_err(|error| CommandError::new(ExitCode::Configuration, error.to_string()))
    }

    fn own_name(&self) -> String {
        self.user.name.to_string_lossy().into_owned()
    }

    fn show_profile(&self, config: &Config, name: Option<&str>) -> Result<Response, CommandError> {
        let reach = self.reach(config)?;
        let own = views::profile_of(config, &self.user)?;
        let Some(name) = name else {
            let may_see = |profile: &&Profile| {
                reach.check(Permission::SeeProfile { name: &profile.name, own: &own.name }).is_ok()
            };
            let visible: Vec<&Profile> = config.profiles.iter().filter(may_see).collect();
            return Ok(views::profiles(&visible));
        };
        reach.check(Permission::SeeProfile { name, own: &own.name })?;
        config.profile(name).map(views::profile).ok_or_else(|| absent(ObjectKind::Profile, name))
    }

    fn show_user(&self, config: &Config, name: &str) -> Result<Response, CommandError> {
        let user = self.visible_user(config, name)?;
        let profile = views::profile_of(config, &user)?;
        let sessions = self.sessions.seen(Some(user.uid))?;
        Ok(views::user(&UserRow::new(&user, &profile, &sessions)))
    }

    fn show_group(&self, config: &Config, name: Option<&str>) -> Result<Response, CommandError> {
        self.reach(config)?.check(Permission::SeeAttachments)?;
        let Some(name) = name else {
            return Ok(views::attachments(ObjectKind::Group, &config.groups));
        };
        let entry = config.groups.iter().find(|entry| entry.name == name);
        entry
            .map(|entry| views::attachment(ObjectKind::Group, entry))
            .ok_or_else(|| absent(ObjectKind::Group, name))
    }

    fn show_activity(&self, config: &Config, name: Option<&str>) -> Result<Response, CommandError> {
        let own = self.own_name();
        let name = match (name, self.reach(config)?) {
            (Some(name), _) => name,
            (None, AccessScope::OwnUser(_)) => &own,
            (None, AccessScope::All) => return self.all_activities(config),
        };
        let user = self.visible_user(config, name)?;
        let profile = views::profile_of(config, &user)?;
        let sessions = self.sessions.seen(Some(user.uid))?;
        Ok(views::activity(&ActivityRow::new(
            &user.name.to_string_lossy(),
            Some(&profile),
            &sessions,
        )))
    }

    fn all_activities(&self, config: &Config) -> Result<Response, CommandError> {
        let all = self.sessions.seen(None)?;
        let mut rows = Vec::new();
        for of_one in all.chunk_by(|a, b| a.session.uid == b.session.uid) {
            let Some(newest) = of_one.last() else { continue };
            let name = &newest.session.user;
            // The account may be gone while its sessions last.
            let profile = match views::user_named(name) {
                Ok(user) => Some(views::profile_of(config, &user)?),
                Err(_) => None,
            };
            rows.push(ActivityRow::new(name, profile.as_ref(), of_one));
        }
        Ok(views::activities(&rows))
    }

    fn show_sessions(&self, config: &Config, name: Option<&str>) -> Result<Response, CommandError> {
        let uid = match (name, self.reach(config)?) {
            (Some(name), _) => Some(self.visible_user(config, name)?.uid),
            (None, AccessScope::OwnUser(own)) => Some(own),
            (None, AccessScope::All) => None,
        };
        Ok(views::sessions(&self.sessions.seen(uid)?))
    }

    /// Looks a user up whom the acting user may see. The question itself is a right: who has it not
    /// cannot probe for accounts.
    pub(super) fn visible_user(&self, config: &Config, name: &str) -> Result<User, CommandError> {
        if self.user.is_named(name) {
            return Ok(self.user.clone());
        }
        self.reach(config)?.check(Permission::SeeOthers)?;
        views::user_named(name)
    }

    fn configure(
        &self,
        kind: ObjectKind,
        name: &str,
        changes: &[Change],
    ) -> Result<CommandOutcome, CommandError> {
        let config = self.read()?;
        self.reach(&config)?.check(Permission::Configure)?;
        let mut draft = ConfigDraft::begin(&config, kind, name);
        if changes.is_empty() {
            return Ok(CommandOutcome::Configure(Box::new(draft)));
        }
        for change in changes {
            draft.apply(change);
        }
        self.save(&mut draft).map(CommandOutcome::Response)
    }

    fn delete(&self, kind: ObjectKind, name: &str) -> Result<Response, CommandError> {
        self.reach(&self.read()?)?.check(Permission::Configure)?;
        match draft::delete(&self.config, kind, name).map_err(failure_of)? {
            true => {
                self.log("configure", &format!("deleted {} {name:?}", kind.word()));
                Ok(Response::new::<()>(kind.word(), &[], ""))
            }
            false => Err(absent(kind, name)),
        }
    }

    fn clear_session(&self, id: i64) -> Result<Response, CommandError> {
        let config = self.read()?;
        let uid = match self.reach(&config)? {
            AccessScope::OwnUser(own) => Some(own),
            AccessScope::All => None,
        };
        let seen = self.sessions.seen(uid)?.into_iter().map(|seen| seen.session);
        let chosen: Vec<Session> = seen.filter(|session| session.id == id).collect();
        let Some(first) = chosen.first() else {
            let message =
                format!("session {id}: there is none, expected an id that `show session` lists");
            return Err(CommandError::new(ExitCode::Failed, message));
        };
        self.reach(&config)?.check(Permission::Clear(first.uid))?;
        let whose = format!("session {id} of {}", first.user);
        self.end(&config, chosen, &whose)
    }

    fn clear_sessions(&self, name: Option<&str>) -> Result<Response, CommandError> {
        let config = self.read()?;
        let user = match name {
            Some(name) => self.visible_user(&config, name)?,
            None => self.user.clone(),
        };
        self.reach(&config)?.check(Permission::Clear(user.uid))?;
        let seen = self.sessions.seen(Some(user.uid))?;
        let others = seen.into_iter().map(|seen| seen.session);
        let chosen = others.filter(|session| Some(session.leader.pid) != self.holder).collect();
        self.end(&config, chosen, &format!("sessions of {}", user.name.to_string_lossy()))
    }

    fn end(
        &self,
        config: &Config,
        chosen: Vec<Session>,
        whose: &str,
    ) -> Result<Response, CommandError> {
        let by = format!("{} with `shell`", printable(self.user.name.to_bytes()));
        let cleared = self.sessions.clear(&chosen, config.policy.on_clear, &by)?;
        self.log("clear", &format!("cleared {whose}: {cleared}"));
        match cleared.failed {
            0 => Ok(views::cleared(&cleared)),
            n => Err(CommandError::new(
                ExitCode::Failed,
                format!("{n} of the sessions could not be ended"),
            )),
        }
    }

    /// Tells the journal who changed what.
    fn log(&self, phase: &str, text: &str) {
        let by = printable(self.user.name.to_bytes());
        Log::new("shell", phase, false).write(Level::Notice, &format!("{text}, by {by}"));
    }
}

fn absent(kind: ObjectKind, name: &str) -> CommandError {
    let word = kind.word();
    CommandError::new(
        ExitCode::Failed,
        format!("{word} `{name}`: there is none, expected one that `show {word}` lists"),
    )
}

fn reply_of(kind: ObjectKind, object: &Object) -> Response {
    match object {
        Object::Profile(profile) => views::profile(profile),
        Object::ProfileAssignment(entry) => views::attachment(kind, entry),
    }
}

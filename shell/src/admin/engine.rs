//! Carries commands out, with the rights of the acting user.

use session_limit_core::config::Config;
use session_limit_core::log::{Level, Log};
use session_limit_core::model::profile::Profile;
use session_limit_core::model::sanitize::printable;
use session_limit_core::model::session::Session;
use session_limit_core::system::users::User;

use crate::admin::authorization::{Deed, Reach};
use crate::admin::config_store::{ConfigFile, SaveError};
use crate::admin::draft::{self, Draft, DraftError, Object};
use crate::admin::limits_conf;
use crate::admin::sessions::{self, Sessions};
use crate::command::grammar::{Change, Command, Kind, Show};
use crate::output::exit_code::{Exit, Failure};
use crate::output::response::Reply;
use crate::output::table::Table;
use crate::output::views::{self, ActivityRow, UserRow};

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
pub enum Done {
    /// An answer to show.
    Reply(Reply),
    /// The sub-mode begins with this draft.
    Configure(Box<Draft>),
}

impl Engine {
    /// Carries one command out. `help`, `history` and `exit` are not for the engine: they answer nothing.
    ///
    /// # Errors
    /// One line, and the exit code it means.
    pub fn run(&self, command: &Command) -> Result<Done, Failure> {
        let reply = match command {
            Command::Show(what) => self.show(what)?,
            Command::Configure(kind, name, changes) => return self.configure(*kind, name, changes),
            Command::Delete(kind, name) => self.delete(*kind, name)?,
            Command::ClearSession(id) => self.clear_session(*id)?,
            Command::ClearSessions(user) => self.clear_sessions(user.as_deref())?,
            Command::ImportLimits { files, apply } => {
                self.reach(&self.read()?)?.check(Deed::Configure)?;
                let reply = limits_conf::import(&self.config, files, *apply)?;
                if *apply {
                    self.log("configure", "imported the limits of pam_limits");
                }
                reply
            }
            Command::ExportLimits => {
                let config = self.read()?;
                self.reach(&config)?.check(Deed::SeeAttachments)?;
                limits_conf::export(&config)
            }
            Command::Help(_) | Command::History | Command::Exit => {
                Reply::new::<()>("nothing", &[], "")
            }
        };
        Ok(Done::Reply(reply))
    }

    /// Carries a show command out.
    ///
    /// # Errors
    /// One line, and the exit code it means.
    pub fn show(&self, what: &Show) -> Result<Reply, Failure> {
        let config = self.read()?;
        match what {
            Show::Object(Kind::Profile, name) => self.show_profile(&config, name.as_deref()),
            Show::Object(Kind::User, Some(name)) => self.show_user(&config, name),
            Show::Object(Kind::User, None) if self.reach(&config)? == Reach::All => {
                Ok(views::attachments(Kind::User, &config.users))
            }
            Show::Object(Kind::User, None) => self.show_user(&config, &self.own_name()),
            Show::Object(Kind::Group, name) => self.show_group(&config, name.as_deref()),
            Show::Activity(name) => self.show_activity(&config, name.as_deref()),
            Show::Sessions(name) => self.show_sessions(&config, name.as_deref()),
        }
    }

    /// Writes a draft, if the rights still allow it.
    ///
    /// # Errors
    /// One line, and the exit code it means.
    pub fn save(&self, draft: &mut Draft) -> Result<Reply, Failure> {
        self.reach(&self.read()?)?.check(Deed::Configure)?;
        let object = draft.save(&self.config).map_err(failure_of)?;
        self.log("configure", &format!("saved {} {:?}", draft.kind().word(), draft.name()));
        Ok(reply_of(draft.kind(), &object))
    }

    /// Returns how far the acting user's rights go.
    ///
    /// # Errors
    /// When the name services fail.
    pub fn reach(&self, config: &Config) -> Result<Reach, Failure> {
        Reach::of(&self.user, config)
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// The line the module would log.
    pub fn read(&self) -> Result<Config, Failure> {
        self.config.read().map_err(|error| Failure::new(Exit::Configuration, error.to_string()))
    }

    fn own_name(&self) -> String {
        self.user.name.to_string_lossy().into_owned()
    }

    fn show_profile(&self, config: &Config, name: Option<&str>) -> Result<Reply, Failure> {
        let reach = self.reach(config)?;
        let own = views::profile_of(config, &self.user)?;
        let Some(name) = name else {
            let may_see = |profile: &&Profile| {
                reach.check(Deed::SeeProfile { name: &profile.name, own: &own.name }).is_ok()
            };
            let visible: Vec<&Profile> = config.profiles.iter().filter(may_see).collect();
            return Ok(views::profiles(&visible));
        };
        reach.check(Deed::SeeProfile { name, own: &own.name })?;
        config.profile(name).map(views::profile).ok_or_else(|| absent(Kind::Profile, name))
    }

    fn show_user(&self, config: &Config, name: &str) -> Result<Reply, Failure> {
        let user = self.visible_user(config, name)?;
        let profile = views::profile_of(config, &user)?;
        let sessions = self.sessions.seen(Some(user.uid))?;
        Ok(views::user(&UserRow::new(&user, &profile, &sessions)))
    }

    fn show_group(&self, config: &Config, name: Option<&str>) -> Result<Reply, Failure> {
        self.reach(config)?.check(Deed::SeeAttachments)?;
        let Some(name) = name else {
            return Ok(views::attachments(Kind::Group, &config.groups));
        };
        let entry = config.groups.iter().find(|entry| entry.name == name);
        entry
            .map(|entry| views::attachment(Kind::Group, entry))
            .ok_or_else(|| absent(Kind::Group, name))
    }

    fn show_activity(&self, config: &Config, name: Option<&str>) -> Result<Reply, Failure> {
        let own = self.own_name();
        let name = match (name, self.reach(config)?) {
            (Some(name), _) => name,
            (None, Reach::Own(_)) => &own,
            (None, Reach::All) => return self.all_activities(config),
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

    fn all_activities(&self, config: &Config) -> Result<Reply, Failure> {
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

    fn show_sessions(&self, config: &Config, name: Option<&str>) -> Result<Reply, Failure> {
        let uid = match (name, self.reach(config)?) {
            (Some(name), _) => Some(self.visible_user(config, name)?.uid),
            (None, Reach::Own(own)) => Some(own),
            (None, Reach::All) => None,
        };
        Ok(views::sessions(&self.sessions.seen(uid)?))
    }

    /// Looks a user up whom the acting user may see. The question itself is a right: who has it not
    /// cannot probe for accounts.
    fn visible_user(&self, config: &Config, name: &str) -> Result<User, Failure> {
        if self.user.is_named(name) {
            return Ok(self.user.clone());
        }
        self.reach(config)?.check(Deed::SeeOthers)?;
        views::user_named(name)
    }

    fn configure(&self, kind: Kind, name: &str, changes: &[Change]) -> Result<Done, Failure> {
        let config = self.read()?;
        self.reach(&config)?.check(Deed::Configure)?;
        let mut draft = Draft::begin(&config, kind, name);
        if changes.is_empty() {
            return Ok(Done::Configure(Box::new(draft)));
        }
        for change in changes {
            draft.apply(change);
        }
        self.save(&mut draft).map(Done::Reply)
    }

    fn delete(&self, kind: Kind, name: &str) -> Result<Reply, Failure> {
        self.reach(&self.read()?)?.check(Deed::Configure)?;
        match draft::delete(&self.config, kind, name).map_err(failure_of)? {
            true => {
                self.log("configure", &format!("deleted {} {name:?}", kind.word()));
                Ok(Reply::new::<()>(kind.word(), &[], ""))
            }
            false => Err(absent(kind, name)),
        }
    }

    fn clear_session(&self, id: i64) -> Result<Reply, Failure> {
        let config = self.read()?;
        let uid = match self.reach(&config)? {
            Reach::Own(own) => Some(own),
            Reach::All => None,
        };
        let seen = self.sessions.seen(uid)?.into_iter().map(|seen| seen.session);
        let chosen: Vec<Session> = seen.filter(|session| session.id == id).collect();
        let Some(first) = chosen.first() else {
            let message =
                format!("session {id}: there is none, expected an id that `show session` lists");
            return Err(Failure::new(Exit::Failed, message));
        };
        self.reach(&config)?.check(Deed::Clear(first.uid))?;
        let whose = format!("session {id} of {}", first.user);
        self.end(&config, chosen, &whose)
    }

    fn clear_sessions(&self, name: Option<&str>) -> Result<Reply, Failure> {
        let config = self.read()?;
        let user = match name {
            Some(name) => self.visible_user(&config, name)?,
            None => self.user.clone(),
        };
        self.reach(&config)?.check(Deed::Clear(user.uid))?;
        let seen = self.sessions.seen(Some(user.uid))?;
        let others = seen.into_iter().map(|seen| seen.session);
        let chosen = others.filter(|session| Some(session.leader.pid) != self.holder).collect();
        self.end(&config, chosen, &format!("sessions of {}", user.name.to_string_lossy()))
    }

    fn end(&self, config: &Config, chosen: Vec<Session>, whose: &str) -> Result<Reply, Failure> {
        let by = format!("{} with `shell`", printable(self.user.name.to_bytes()));
        let cleared = self.sessions.clear(&chosen, config.policy.on_clear, &by)?;
        self.log("clear", &format!("cleared {whose}: {cleared}"));
        match cleared.failed {
            0 => Ok(sessions::reply(&cleared)),
            n => Err(Failure::new(Exit::Failed, format!("{n} of the sessions could not be ended"))),
        }
    }

    /// Tells the journal who changed what.
    fn log(&self, phase: &str, text: &str) {
        let by = printable(self.user.name.to_bytes());
        Log::new("shell", phase, false).write(Level::Notice, &format!("{text}, by {by}"));
    }
}

fn absent(kind: Kind, name: &str) -> Failure {
    let word = kind.word();
    Failure::new(
        Exit::Failed,
        format!("{word} `{name}`: there is none, expected one that `show {word}` lists"),
    )
}

fn reply_of(kind: Kind, object: &Object) -> Reply {
    match object {
        Object::Profile(profile) => views::profile(profile),
        Object::ProfileAssignment(entry) => views::attachment(kind, entry),
    }
}

/// Says how a write failed, and how to leave.
#[must_use]
pub fn failure_of(error: DraftError) -> Failure {
    match error {
        DraftError::Changed(difference) => {
            let mut table = Table::new(&["Field", "Was", "Is"]);
            for (name, was, is) in difference.rows() {
                table.row([name.to_owned(), was, is]);
            }
            let mut failure = Failure::new(Exit::Conflict, difference.to_string());
            failure.details = Some(table.to_string());
            failure
        }
        DraftError::Incomplete(text) => Failure::new(Exit::Configuration, text),
        DraftError::Save(error) => save_failure(&error),
    }
}

/// Says how replacing the file failed, and how to leave.
#[must_use]
pub fn save_failure(error: &SaveError) -> Failure {
    let exit = match error {
        SaveError::Config(_) | SaveError::Edit(..) => Exit::Configuration,
        SaveError::Overtaken(_) | SaveError::Locked(_) => Exit::Conflict,
        SaveError::Io(..) => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}

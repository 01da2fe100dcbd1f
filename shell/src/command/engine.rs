//! Carries commands out, with the rights of the acting user.

use std::collections::BTreeMap;
use std::ffi::CString;

use session_limit_core::config::Config;
use session_limit_core::log::{Level, Log};
use session_limit_core::model::profile::Profile;
use session_limit_core::model::session::Session;
use session_limit_core::store::last_login::LastLogin;
use session_limit_core::system::users::{User, group_id};

use session_limit_admin::authorization::{AccessScope, Permission};
use session_limit_admin::config_store::ConfigFile;
use session_limit_admin::draft::{self, ConfigDraft, Object};

use crate::language::grammar::{Change, Command, ObjectKind, Show};
use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::failure::failure_of;
use crate::output::response::Response;
use crate::output::views::{self, ActivityRow, UserRow};
use session_limit_admin::limits_conf;
use session_limit_admin::sessions::{SessionView, Sessions};

/// Carries commands out on one configuration and one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// The configuration.
    pub config: ConfigFile,
    /// The store of sessions.
    pub sessions: Sessions,
    /// Whose rights count.
    pub user: User,
    /// Who acts, as the log and the users who are ended are told.
    pub actor: String,
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

/// The configuration, or what stands for it while the file is refused: what needs only the store of
/// sessions goes on working.
pub(super) struct Known {
    /// While the file is refused: without profiles, and without groups of administrators.
    pub(super) config: Config,
    /// Why the file is refused.
    pub(super) mistake: Option<String>,
}

impl Known {
    /// Returns the profile that applies to a user; nothing where that is not known.
    fn profile_of(&self, user: &User) -> Result<Option<Profile>, CommandError> {
        match self.mistake {
            Some(_) => Ok(None),
            None => views::profile_of(&self.config, user).map(Some),
        }
    }

    /// Returns the answer with the mistake as a warning.
    fn warned(self, reply: Response) -> Response {
        reply.with_warnings(self.mistake)
    }
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
                self.reach(&config)?.check(Permission::SeeAssignments)?;
                views::exported(&limits_conf::export(&config))
            }
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
            Show::Sessions(name) => self.show_sessions(name.as_deref()),
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
        let not_enforced = draft
            .entered_not_enforced()
            .into_iter()
            .map(|field| format!("{field} is kept, but this version does not enforce it"));
        Ok(reply_of(draft.kind(), &object)
            .with_warnings(unknown_name(draft.kind(), draft.name()))
            .with_warnings(not_enforced)
            .with_warnings(self.users_above(draft)))
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

    /// Returns whether the acting user may use every command, as far as that can be found out.
    #[must_use]
    pub fn administers(&self) -> bool {
        self.known()
            .and_then(|known| self.reach(&known.config))
            .is_ok_and(|r| r == AccessScope::All)
    }

    /// Reads the configuration, for what does without it if it must.
    pub(super) fn known(&self) -> Result<Known, CommandError> {
        match self.config.read() {
            Ok(config) => Ok(Known { config, mistake: None }),
            Err(error) => {
                let mut config = Config::default();
                // Who administers is not known either; root does.
                config.policy.admin_groups.clear();
                Ok(Known { config, mistake: Some(error.to_string()) })
            }
        }
    }

    fn own_name(&self) -> String {
        self.user.name.to_string_lossy().into_owned()
    }

    fn show_profile(&self, name: Option<&str>) -> Result<Response, CommandError> {
        let config = self.read()?;
        let reach = self.reach(&config)?;
        let own = views::profile_of(&config, &self.user)?;
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

    fn show_users(&self) -> Result<Response, CommandError> {
        let known = self.known()?;
        if self.reach(&known.config)? != AccessScope::All {
            return self.show_user(&self.own_name());
        }
        let config = self.read()?;
        Ok(views::assignments(ObjectKind::User, &config.users, is_known(ObjectKind::User)))
    }

    fn show_user(&self, name: &str) -> Result<Response, CommandError> {
        let known = self.known()?;
        let user = self.visible_user(&known.config, name)?;
        let profile = known.profile_of(&user)?;
        let sessions = self.sessions.seen(Some(user.uid))?;
        let reply = views::user(&UserRow::new(&user, profile.as_ref(), &sessions));
        Ok(known.warned(reply))
    }

    fn show_group(&self, name: Option<&str>) -> Result<Response, CommandError> {
        let config = self.read()?;
        self.reach(&config)?.check(Permission::SeeAssignments)?;
        let Some(name) = name else {
            let is_known = is_known(ObjectKind::Group);
            return Ok(views::assignments(ObjectKind::Group, &config.groups, is_known));
        };
        let entry = config.groups.iter().find(|entry| entry.name == name);
        let entry = entry.ok_or_else(|| absent(ObjectKind::Group, name))?;
        Ok(views::assignment(ObjectKind::Group, entry)
            .with_warnings(unknown_name(ObjectKind::Group, name)))
    }

    fn show_activity(&self, name: Option<&str>) -> Result<Response, CommandError> {
        let known = self.known()?;
        let own = self.own_name();
        let name = match (name, self.reach(&known.config)?) {
            (Some(name), _) => name,
            (None, AccessScope::OwnUser(_)) => &own,
            (None, AccessScope::All) => return self.all_activities(known),
        };
        let user = self.visible_user(&known.config, name)?;
        let profile = known.profile_of(&user)?;
        let sessions = self.sessions.seen(Some(user.uid))?;
        let name = user.name.to_string_lossy();
        // An id may be given to another user in the course of time.
        let kept = self.sessions.last_login(user.uid)?.filter(|kept| kept.user == name);
        let row = ActivityRow::new(&name, profile.as_ref(), &sessions, kept.as_ref());
        Ok(known.warned(views::activity(&row)))
    }

    fn all_activities(&self, known: Known) -> Result<Response, CommandError> {
        let mut by_user: BTreeMap<(u32, String), Vec<SessionView>> = BTreeMap::new();
        for seen in self.sessions.seen(None)? {
            by_user.entry((seen.session.uid, seen.session.user.clone())).or_default().push(seen);
        }
        let kept: BTreeMap<(u32, String), LastLogin> = self
            .sessions
            .last_logins()?
            .into_iter()
            .map(|login| ((login.uid, login.user.clone()), login))
            .collect();
        for user in kept.keys() {
            by_user.entry(user.clone()).or_default();
        }
        let mut rows = Vec::new();
        for ((uid, name), sessions) in by_user {
            let account = views::user_named(&name).ok().filter(|user| user.uid == uid);
            let profile = match &account {
                Some(user) => known.profile_of(user)?,
                // The account may be gone while its sessions last; then there is nothing else to tell.
                None if sessions.is_empty() => continue,
                None => None,
            };
            let last = kept.get(&(uid, name.clone()));
            rows.push(ActivityRow::new(&name, profile.as_ref(), &sessions, last));
        }
        Ok(known.warned(views::activities(&rows)))
    }

    fn show_sessions(&self, name: Option<&str>) -> Result<Response, CommandError> {
        let known = self.known()?;
        let uid = match (name, self.reach(&known.config)?) {
            (Some(name), _) => Some(self.visible_user(&known.config, name)?.uid),
            (None, AccessScope::OwnUser(own)) => Some(own),
            (None, AccessScope::All) => None,
        };
        Ok(known.warned(views::sessions(&self.sessions.seen(uid)?)))
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
        let known = self.known()?;
        let uid = match self.reach(&known.config)? {
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
        self.reach(&known.config)?.check(Permission::Clear(first.uid))?;
        let whose = format!("session {id} of {}", first.user);
        self.end(known, chosen, &whose)
    }

    fn clear_sessions(&self, name: Option<&str>) -> Result<Response, CommandError> {
        let known = self.known()?;
        let user = match name {
            Some(name) => self.visible_user(&known.config, name)?,
            None => self.user.clone(),
        };
        self.reach(&known.config)?.check(Permission::Clear(user.uid))?;
        let seen = self.sessions.seen(Some(user.uid))?;
        let others = seen.into_iter().map(|seen| seen.session);
        let chosen = others.filter(|session| Some(session.leader.pid) != self.holder).collect();
        self.end(known, chosen, &format!("sessions of {}", user.name.to_string_lossy()))
    }

    fn end(
        &self,
        known: Known,
        chosen: Vec<Session>,
        whose: &str,
    ) -> Result<Response, CommandError> {
        let by = format!("{} with `shell`", self.actor);
        let cleared = self.sessions.clear(&chosen, known.config.policy.on_clear, &by)?;
        self.log("clear", &format!("cleared {whose}: {cleared}"));
        match cleared.failed {
            0 => Ok(known.warned(views::cleared(&cleared))),
            n => Err(CommandError::new(
                ExitCode::Failed,
                format!("{n} of the sessions could not be ended"),
            )),
        }
    }

    /// Tells the journal who changed what.
    fn log(&self, phase: &str, text: &str) {
        let line = format!("{text}, by {}", self.actor);
        Log::new("shell", phase, false).write(Level::Notice, &line);
    }
}

pub(super) fn absent(kind: ObjectKind, name: &str) -> CommandError {
    let word = kind.word();
    CommandError::new(
        ExitCode::Failed,
        format!("{word} `{name}`: there is none, expected one that `show {word}` lists"),
    )
}

/// Returns what tells the names that the host knows from those that it does not, or not yet.
///
/// Where the name services fail nothing is said against a name.
fn is_known(kind: ObjectKind) -> impl Fn(&str) -> bool {
    move |name| {
        let Ok(c_name) = CString::new(name) else { return false };
        match kind {
            ObjectKind::User => !matches!(User::named(&c_name), Ok(None)),
            ObjectKind::Group => !matches!(group_id(&c_name), Ok(None)),
            ObjectKind::Profile => true,
        }
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

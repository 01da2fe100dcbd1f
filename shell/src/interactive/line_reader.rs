//! Reads the lines that are typed: with editing, history and Tab, or plainly on a terminal that
//! cannot move its cursor.

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext,
    EventHandler, Helper, Highlighter, Hinter, KeyCode, KeyEvent, Modifiers, RepeatCount,
    Validator,
};

use crate::command::engine::Engine;
use crate::interactive::{screen, terminal};
use crate::language::completion::{Candidate, complete};
use crate::language::grammar::{ArgumentKind, Mode};
use crate::language::lexer::MAX_LINE;
use session_limit_admin::command::NameKind;

/// What came of asking for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or a terminal that is gone.
    End,
}

/// Reads lines.
pub enum LineReader {
    /// With editing, history and Tab.
    Editor(Box<Editor<Tab, MemHistory>>),
    /// Line by line, as the terminal gives them.
    Plain,
}

impl LineReader {
    /// Makes the reader that the terminal is fit for.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn new() -> rustyline::Result<Self> {
        if !screen::moves_cursor() {
            return Ok(Self::Plain);
        }
        let config = Config::builder()
            .completion_type(CompletionType::List)
            // A signal that ends the program restores the terminal's settings, and only those.
            .bracketed_paste(false)
            .build();
        let mut editor = Editor::with_history(config, MemHistory::new())?;
        editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(BoundedLine)));
        Ok(Self::Editor(Box::new(editor)))
    }

    /// Asks for a line; Tab completes what fits `mode` and the rights of `engine`.
    pub fn read(&mut self, prompt: &str, mode: Mode, engine: &Engine) -> Input {
        match self {
            Self::Editor(editor) => {
                editor.set_helper(Some(Tab { mode, engine: engine.clone() }));
                match editor.readline(prompt) {
                    Ok(line) => {
                        // Without a place to keep it there is one line less to go back to.
                        let _ = editor.add_history_entry(&line);
                        Input::Line(line)
                    }
                    Err(ReadlineError::Interrupted) => Input::Interrupted,
                    Err(_) => Input::End,
                }
            }
            Self::Plain => match terminal::read_line(prompt, MAX_LINE) {
                Ok(Some(line)) => Input::Line(line),
                _ => Input::End,
            },
        }
    }
}

/// Takes no more characters than a line may have and one: redrawing a line of hundreds of thousands,
/// pasted by mistake, for each of them takes minutes.
struct BoundedLine;

impl ConditionalEventHandler for BoundedLine {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, ctx: &EventContext) -> Option<Cmd> {
        let key = event.get(0)?;
        let is_text = matches!(key, KeyEvent(KeyCode::Char(_), Modifiers::NONE | Modifiers::SHIFT));
        (is_text && ctx.line().len() > MAX_LINE).then_some(Cmd::Noop)
    }
}

/// What Tab knows.
#[derive(Helper, Highlighter, Hinter, Validator)]
pub struct Tab {
    mode: Mode,
    engine: Engine,
}

impl Completer for Tab {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..pos).unwrap_or_default();
        let (start, candidates) = complete(self.mode, before, |noun| names(&self.engine, noun));
        Ok((start, pairs(&candidates, screen::columns())))
    }
}

/// Returns what is shown and typed for each candidate. Those with a help text get a line each.
fn pairs(candidates: &[Candidate], columns: usize) -> Vec<Pair> {
    let is_explained = candidates.iter().any(|candidate| !candidate.help.is_empty());
    let word_width = candidates.iter().map(|c| c.word.chars().count()).max().unwrap_or(0);
    // rustyline puts as many candidates into a line as fit.
    let line_width = if is_explained { columns / 2 + 1 } else { 0 };
    let display = |candidate: &Candidate| match candidate.help.as_str() {
        "" => format!("{:line_width$}", candidate.word),
        help => {
            let explained = format!("{:word_width$}  {help}", candidate.word);
            format!("{explained:line_width$}")
        }
    };
    candidates
        .iter()
        .map(|candidate| Pair {
            display: display(candidate),
            // The space saves a key; rustyline keeps what several candidates share.
            replacement: format!("{} ", candidate.word),
        })
        .collect()
}

/// Returns the names that the acting user may see; Tab shows no more than the commands do.
fn names(engine: &Engine, noun: ArgumentKind) -> Vec<String> {
    let kind = match noun {
        ArgumentKind::Profile => NameKind::Profiles,
        ArgumentKind::User => NameKind::Users,
        ArgumentKind::Group => NameKind::Groups,
        ArgumentKind::Service => NameKind::Services,
        ArgumentKind::Session => NameKind::Sessions,
        _ => return Vec::new(),
    };
    engine.admin.names(kind)
}

//! The history as a picture, made of shapes that tell one line from another without colour.

use maud::{Markup, html};
use session_limit_admin::api::objects::{History, HistoryPoint};

/// Units of the whole picture.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 340.0;
/// Where the two panels are: left and right edge, top and bottom of each.
const LEFT: f64 = 50.0;
const RIGHT: f64 = WIDTH - 10.0;
const SESSIONS: (f64, f64) = (30.0, 200.0);
const REFUSALS: (f64, f64) = (240.0, 310.0);
/// Times written below the picture.
const MARKS: i64 = 4;

/// Returns the picture, with what it shows in words.
pub fn picture(history: &History) -> Markup {
    let frame = Frame::of(history);
    let most = |of: fn(&HistoryPoint) -> i64| history.points.iter().map(of).max().unwrap_or(0);
    let sessions = most(|point| point.sessions.unwrap_or(0));
    let refusals: i64 = history.points.iter().map(refused).sum();
    let top = Axis::up_to(sessions);
    let bottom = Axis::up_to(most(refused));
    let at_limit = |point: &HistoryPoint| point.users_at_limit;
    let words = format!(
        "At most {sessions} sessions at once; {refusals} logins were refused or let in above the limit."
    );
    html! {
        figure {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(words) {
                (panel("Sessions (line), users at their limit (dashed)", SESSIONS, &top))
                path.sessions d=(frame.line(history, |point| point.sessions, SESSIONS, &top)) {}
                path.at-limit d=(frame.line(history, at_limit, SESSIONS, &top)) stroke-dasharray="6 4" {}
                (panel("Refused logins (bars)", REFUSALS, &bottom))
                @for point in history.points.iter().filter(|point| refused(point) > 0) {
                    @let x = frame.x(point);
                    @let y = bottom.y(refused(point), REFUSALS);
                    rect.refusals x=(short(x)) y=(short(y)) width=(short(frame.step.max(1.5)))
                        height=(short(REFUSALS.1 - y)) {}
                }
                @for mark in 0..=MARKS {
                    @let seconds = frame.from + (frame.to - frame.from) * mark / MARKS;
                    @let anchor = if mark == 0 { "start" } else if mark == MARKS { "end" } else { "middle" };
                    text x=(short(frame.x_of(seconds))) y=(short(HEIGHT - 12.0)) text-anchor=(anchor)
                        data-time=(instant(seconds)) {
                        (instant(seconds).replace('T', " ").trim_end_matches(":00Z")) " UTC"
                    }
                }
            }
            figcaption { (words) }
        }
    }
}

fn refused(point: &HistoryPoint) -> i64 {
    point.refused + point.would_be_refused
}

/// The edges of a panel, its title and what its height means.
fn panel(title: &str, (top, bottom): (f64, f64), axis: &Axis) -> Markup {
    html! {
        text x=(LEFT) y=(top - 8.0) { (title) }
        @for value in axis.marks() {
            @let y = axis.y(value, (top, bottom));
            line.grid x1=(LEFT) x2=(RIGHT) y1=(short(y)) y2=(short(y)) {}
            text x=(LEFT - 6.0) y=(short(y + 4.0)) text-anchor="end" { (value) }
        }
    }
}

/// What the width means.
struct Frame {
    from: i64,
    to: i64,
    seconds: i64,
    /// Units of a point.
    step: f64,
}

impl Frame {
    fn of(history: &History) -> Self {
        let (from, to) = (seconds(&history.from), seconds(&history.to));
        let to = to.max(from + 1);
        let seconds = history.step.max(1);
        let step = (RIGHT - LEFT) * real(seconds) / real(to - from);
        Self { from, to, seconds, step }
    }

    fn x_of(&self, seconds: i64) -> f64 {
        LEFT + (RIGHT - LEFT) * real(seconds - self.from) / real(self.to - self.from)
    }

    fn x(&self, point: &HistoryPoint) -> f64 {
        self.x_of(seconds(&point.time))
    }

    /// Returns a line through the values; it is broken where no sample was taken.
    fn line(
        &self,
        history: &History,
        value: impl Fn(&HistoryPoint) -> Option<i64>,
        panel: (f64, f64),
        axis: &Axis,
    ) -> String {
        let mut path = String::new();
        let mut expected = None;
        for point in &history.points {
            let Some(value) = value(point) else { continue };
            let time = seconds(&point.time);
            let verb = if expected == Some(time) { "L" } else { "M" };
            let (x, y) = (self.x_of(time), axis.y(value, panel));
            // A level line for the whole step: one sample alone is seen as well.
            path.push_str(&format!("{verb}{} {}H{}", short(x), short(y), short(x + self.step)));
            expected = Some(time + self.seconds);
        }
        path
    }
}

/// What the height means: from 0 to a round number.
struct Axis {
    step: i64,
    steps: i64,
}

impl Axis {
    fn up_to(most: i64) -> Self {
        const STEPS: i64 = 4;
        let mut step = 1;
        while step * STEPS < most {
            step = match step.to_string().as_bytes().first() {
                Some(b'2') => step / 2 * 5,
                _ => step * 2,
            };
        }
        Self { step, steps: STEPS.min((most / step) + 1).max(1) }
    }

    fn marks(&self) -> impl Iterator<Item = i64> + use<> {
        let step = self.step;
        (0..=self.steps).map(move |n| n * step)
    }

    fn y(&self, value: i64, (top, bottom): (f64, f64)) -> f64 {
        bottom - (bottom - top) * real(value) / real(self.step * self.steps)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a place in a picture needs no more")]
fn real(number: i64) -> f64 {
    number as f64
}

fn short(number: f64) -> String {
    format!("{number:.1}")
}

fn seconds(rfc3339: &str) -> i64 {
    rfc3339.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second)
}

fn instant(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(time: i64, sessions: Option<i64>, refused: i64) -> HistoryPoint {
        HistoryPoint {
            time: instant(time),
            sessions,
            users: sessions,
            users_at_limit: sessions.map(|_| 0),
            services: std::collections::BTreeMap::new(),
            refused,
            would_be_refused: 0,
        }
    }

    fn history(points: Vec<HistoryPoint>) -> History {
        History { from: instant(0), to: instant(3_600), step: 60, history_days: Some(30), points }
    }

    #[test]
    fn an_axis_ends_at_a_round_number_above() {
        let last = |most| Axis::up_to(most).marks().last().unwrap();
        for most in [0, 1, 3, 4, 5, 7, 19, 99, 1_000, 9_999] {
            assert!(last(most) >= most, "{most}: {}", last(most));
            assert!(Axis::up_to(most).marks().count() <= 6, "{most}");
        }
        assert_eq!((last(0), last(3), last(99)), (1, 4, 100));
    }

    #[test]
    fn a_line_is_broken_where_nothing_is_known() {
        let points = vec![point(0, Some(1), 0), point(60, Some(2), 0), point(300, Some(3), 0)];
        let history = history(points);
        let axis = Axis::up_to(3);
        let path = Frame::of(&history).line(&history, |point| point.sessions, SESSIONS, &axis);
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
    }

    #[test]
    fn a_picture_says_in_words_what_it_shows() {
        let shown = picture(&history(vec![point(0, Some(7), 2), point(60, None, 3)])).into_string();
        assert!(shown.contains("At most 7 sessions at once; 5 logins were refused"), "{shown}");
        assert_eq!(shown.matches("<rect").count(), 2);
    }
}

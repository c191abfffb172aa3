//! What a refused client is told in its own language.

use std::time::Duration;

use crate::protocol::message::Template;
use crate::protocol::{ClientProtocolError, Message, Pattern};

/// What a refused client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The HTTP answer as it is, for clients that back off only then.
    Http,
    /// An upgrade, this script, and the close frame.
    Script(Script),
}

impl From<Script> for Refusal {
    fn from(script: Script) -> Self {
        Self::Script(script)
    }
}

/// Steps before the close frame of a refused client. No step is the close frame alone.
///
/// Whatever the client does, the script ends: each wait has a time, what is read counts against the
/// layer's [byte cap], and anything that RFC 6455 forbids goes straight to the close frame. Other
/// messages than those that are waited for are read and ignored.
///
/// ```
/// # use std::time::Duration;
/// use tower_ws_auth_socket::protocol::{ClientProtocol, Message, Pattern, Refusal, Script};
///
/// let hello = Pattern::contains("\"id\":").digits("id");
/// let script = Script::new()
///     .wait_for(hello, Duration::from_secs(2))
///     .send(Message::text(r#"{"id":${id},"error":"${reason}"}"#));
/// let acme = ClientProtocol::builder("acme").refusals(move |_| script.clone().into());
/// assert!(acme.build().is_ok());
///
/// // A client is not kept for a day.
/// let script = Script::new().wait_for(Pattern::starts_with("x"), Duration::from_secs(86_400));
/// let acme = ClientProtocol::builder("acme").refusals(move |_| script.clone().into());
/// let error = acme.build().unwrap_err().to_string();
/// assert_eq!(error, "the steps of a script wait for 86400s: use at most 600s");
/// ```
///
/// [byte cap]: crate::close::CloseFrameLayer::byte_cap
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Script {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Send(Message),
    Wait(Pattern, Duration),
    Each(Vec<(Pattern, Message)>, Duration),
}

impl Script {
    /// The most steps, and the most answers of one step.
    pub const MAX_STEPS: usize = 16;
    /// The longest time of all its waits together.
    pub const MAX_TIME: Duration = Duration::from_secs(600);
    /// After so many answers a step is over.
    pub const MAX_ANSWERS: u32 = 64;

    /// The close frame alone.
    pub const fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Sends a message.
    pub fn send(self, message: Message) -> Self {
        self.with(Step::Send(message))
    }

    /// Waits for a message of the client. If none matches in time, the close frame comes next.
    pub fn wait_for(self, pattern: Pattern, time: Duration) -> Self {
        self.with(Step::Wait(pattern, time))
    }

    /// Answers each message that matches, for this time or until [`MAX_ANSWERS`](Self::MAX_ANSWERS)
    /// were sent. Of several patterns the first that matches counts.
    pub fn answer_each(
        self,
        answers: impl IntoIterator<Item = (Pattern, Message)>,
        time: Duration,
    ) -> Self {
        self.with(Step::Each(answers.into_iter().collect(), time))
    }

    fn with(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(crate) fn compile(&self) -> Result<Compiled, ClientProtocolError> {
        if self.steps.len() > Self::MAX_STEPS {
            return Err(ClientProtocolError::ManySteps(self.steps.len()));
        }
        let mut names = Vec::new();
        let mut time = Duration::ZERO;
        let mut steps = Vec::new();
        for step in &self.steps {
            steps.push(match step {
                Step::Send(message) => Ready::Send(message.compile(&names)?),
                Step::Wait(pattern, wait) => {
                    time = time.saturating_add(*wait);
                    Ready::Wait(Matcher::new(pattern, &mut names), *wait)
                }
                Step::Each(answers, wait) => {
                    if answers.len() > Self::MAX_STEPS {
                        return Err(ClientProtocolError::ManySteps(answers.len()));
                    }
                    time = time.saturating_add(*wait);
                    let answers = answers.iter().map(|(pattern, message)| {
                        let matcher = Matcher::new(pattern, &mut names);
                        // Only its own pattern has matched when an answer is sent.
                        Ok::<_, ClientProtocolError>((matcher, message.compile(&names)?))
                    });
                    Ready::Each(answers.collect::<Result<_, _>>()?, *wait)
                }
            });
        }
        if time > Self::MAX_TIME {
            return Err(ClientProtocolError::LongWait(time));
        }
        let names = names.len();
        Ok(Compiled { steps, names })
    }
}

/// A script whose limits were checked.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) steps: Vec<Ready>,
    /// How many names its patterns capture.
    pub(crate) names: usize,
}

#[derive(Debug)]
pub(crate) enum Ready {
    Send(Template),
    Wait(Matcher, Duration),
    Each(Vec<(Matcher, Template)>, Duration),
}

impl Compiled {
    /// Whether the client is listened to.
    pub(crate) fn listens(&self) -> bool {
        !self.steps.iter().all(|step| matches!(step, Ready::Send(_)))
    }

    /// How many bytes of a message its patterns look at.
    pub(crate) fn reach(&self) -> usize {
        let reach = |matcher: &Matcher| matcher.pattern.reach();
        let steps = self.steps.iter().map(|step| match step {
            Ready::Send(_) => 0,
            Ready::Wait(matcher, _) => reach(matcher),
            Ready::Each(answers, _) => {
                let reaches = answers.iter().map(|(matcher, _)| reach(matcher));
                reaches.max().unwrap_or_default()
            }
        });
        steps.max().unwrap_or_default()
    }
}

/// A pattern, and where its captures go.
#[derive(Debug)]
pub(crate) struct Matcher {
    pattern: Pattern,
    places: Vec<usize>,
}

impl Matcher {
    fn new(pattern: &Pattern, names: &mut Vec<&'static str>) -> Self {
        let places = pattern.names().map(|name| {
            let known = names.iter().position(|known| *known == name);
            known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            })
        });
        Self {
            places: places.collect(),
            pattern: pattern.clone(),
        }
    }

    /// Whether a message matches; what is captured is put into its places.
    pub(crate) fn capture(&self, message: &[u8], captured: &mut [String]) -> bool {
        let Some(values) = self.pattern.captures(message) else {
            return false;
        };
        for (place, value) in self.places.iter().zip(values) {
            if let Some(slot) = captured.get_mut(*place) {
                *slot = value;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_beyond_its_limits_is_not_made() {
        let pattern = || Pattern::starts_with("a").digits("n");
        let short = Duration::from_secs(1);
        let many = (0..17).fold(Script::new(), |script, _| script.send(Message::text("")));
        let answers = (0..17).map(|_| (pattern(), Message::text("")));
        for (script, error) in [
            (many, "17 steps are too many: use at most 16"),
            (
                Script::new().answer_each(answers, short),
                "17 steps are too many: use at most 16",
            ),
            (
                Script::new()
                    .wait_for(pattern(), Script::MAX_TIME)
                    .wait_for(pattern(), short),
                "the steps of a script wait for 601s: use at most 600s",
            ),
            (
                Script::new()
                    .send(Message::text("${n}"))
                    .wait_for(pattern(), short),
                "message \"${n}\": nothing has captured `n` before it",
            ),
        ] {
            assert_eq!(script.compile().unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_name_that_is_captured_twice_has_one_place() {
        let pattern = || Pattern::starts_with("a").digits("n");
        let script = Script::new()
            .wait_for(pattern(), Duration::ZERO)
            .answer_each([(pattern(), Message::text("${n}"))], Duration::ZERO);
        let compiled = script.compile().unwrap();
        assert_eq!(compiled.names, 1);
        assert!(compiled.listens());
        assert!(
            !Script::new()
                .send(Message::text(""))
                .compile()
                .unwrap()
                .listens()
        );
    }
}

//! Renewals over many nodes: the request reaches one, and its connection is on another.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_ws_auth_core::relay::{Answers, NodeRelay};
use tower_ws_auth_core::{BoxFuture, Grant, Rejection, RejectionKind, RevocationKey, Validity};

use crate::lease::renewals::ConnectionId;
use crate::lease::renewals::endpoint::{Endpoint, Outcome, Target};

/// The way to the other nodes.
pub(crate) struct Nodes<I> {
    relay: Arc<dyn NodeRelay>,
    write: fn(&I) -> Option<Value>,
    /// How this node answers.
    _here: Arc<Answers>,
}

/// What another node is asked to do with a connection.
pub(crate) enum Asked<'a, I> {
    /// Give it the credential that this node has accepted.
    Renew(&'a I),
    /// Say whether this user has it, before the credential is used up.
    Find(&'a str),
    /// End it: its user has lost a permission.
    Forbid(&'a str),
}

#[derive(Serialize, Deserialize)]
struct Question {
    connection: String,
    asked: Written,
    /// Since the Unix epoch.
    until: Option<Duration>,
    issued_at: Option<Duration>,
    keys: Vec<String>,
    is_session: bool,
    /// Where and when this node has asked about revocations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checked: Option<Checked>,
}

#[derive(Serialize, Deserialize)]
struct Checked {
    /// The shared name of the store.
    store: String,
    /// No earlier than this, since the Unix epoch.
    at: Duration,
}

/// How old a check of another node may be by the clocks. An older one is made again: the question may
/// have waited for a node that did not run.
const MAX_AGE: Duration = Duration::from_secs(5);

/// An [`Asked`], as it travels.
#[derive(Serialize, Deserialize)]
enum Written {
    Renew(Value),
    Find(String),
    Forbid(String),
}

#[derive(Serialize, Deserialize)]
enum Answer {
    /// Or found.
    Renewed,
    RateLimited,
    Unavailable,
    Invalid,
}

impl<I> Nodes<I>
where
    I: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// Answers for the connections of this endpoint from now on.
    pub(crate) fn join(relay: Arc<dyn NodeRelay>, here: Endpoint<I>) -> Self {
        let answers = move |question: Vec<u8>| -> BoxFuture<Option<Vec<u8>>> {
            let here = here.clone();
            Box::pin(async move { serde_json::to_vec(&answer(&here, &question).await?).ok() })
        };
        let here: Arc<Answers> = Arc::new(answers);
        relay.attach(Arc::downgrade(&here));
        Self {
            relay,
            write: |identity| serde_json::to_value(identity).ok(),
            _here: here,
        }
    }
}

impl<I> Nodes<I> {
    /// Asks the node of this connection. [`Outcome::Renewed`] if it does as it is asked.
    pub(crate) async fn ask(
        &self,
        id: ConnectionId,
        asked: Asked<'_, I>,
        validity: &Validity,
    ) -> Outcome {
        let unavailable = |detail| Rejection::new(RejectionKind::Unavailable, detail);
        let asked = match asked {
            Asked::Renew(identity) => (self.write)(identity).map(Written::Renew),
            Asked::Find(user) => Some(Written::Find(user.to_owned())),
            Asked::Forbid(user) => Some(Written::Forbid(user.to_owned())),
        };
        let question = asked.and_then(|asked| {
            let question = Question {
                connection: id.encode(),
                asked,
                until: validity.end().map(since),
                issued_at: validity.credential_issued_at().map(since),
                keys: (validity.revocation_keys().iter())
                    .map(RevocationKey::encode)
                    .collect(),
                is_session: validity.refused_as() == RejectionKind::SessionInvalid,
                checked: validity.checked_with().map(|(store, at)| Checked {
                    store: store.to_owned(),
                    at: since(at),
                }),
            };
            serde_json::to_vec(&question).ok()
        });
        let Some(question) = question else {
            return Outcome::Refused(unavailable("the identity cannot be serialized"));
        };
        let answer = match self.relay.ask(question).await {
            Ok(Some(answer)) => serde_json::from_slice(&answer),
            Ok(None) => return Outcome::Unknown,
            Err(error) => {
                let failed = "the other nodes could not be asked";
                return Outcome::Refused(unavailable(failed).with_source(error));
            }
        };
        Outcome::Refused(match answer {
            Ok(Answer::Renewed) => return Outcome::Renewed,
            Ok(Answer::RateLimited) => Rejection::new(RejectionKind::RateLimited, ELSEWHERE),
            Ok(Answer::Invalid) => Rejection::new(validity.refused_as(), ELSEWHERE),
            Ok(Answer::Unavailable) | Err(_) => unavailable(ELSEWHERE),
        })
    }
}

const ELSEWHERE: &str = "the node of the connection refuses the renewal";

/// `None` if the connection is not here, or nobody has a question of this form.
async fn answer<I>(here: &Endpoint<I>, question: &[u8]) -> Option<Answer>
where
    I: DeserializeOwned + Clone + Send + Sync + 'static,
{
    let question: Question = serde_json::from_slice(question).ok()?;
    let target = Target::Named(ConnectionId::decode(&question.connection)?);
    let mut grant = Grant::new(());
    if let Some(until) = question.until {
        grant = grant.until(moment(until)?);
    }
    if let Some(issued) = question.issued_at {
        grant = grant.issued_at(moment(issued)?);
    }
    for key in &question.keys {
        grant = grant.revocable_by(RevocationKey::decode(key)?);
    }
    if question.is_session {
        grant = grant.refused_as(RejectionKind::SessionInvalid);
    }
    let ((), validity) = grant.into_parts();
    let outcome = match question.asked {
        Written::Forbid(user) => {
            let is_here = here.forbid_here(&user.into(), &validity, &target);
            return is_here.then_some(Answer::Invalid);
        }
        Written::Find(user) => here.look_for_here(&user.into(), &validity, &target),
        Written::Renew(identity) => {
            let identity = serde_json::from_value::<I>(identity).ok()?;
            let checked = question.checked.filter(|checked| {
                let now = since(here.leases.clock().now());
                now.abs_diff(checked.at) <= MAX_AGE
            });
            let store = checked.as_ref().map(|checked| &*checked.store);
            here.renew(identity, validity, &target, store).await
        }
    };
    match outcome {
        Outcome::Renewed => Some(Answer::Renewed),
        Outcome::Unknown => None,
        Outcome::Refused(rejection) => Some(match rejection.kind() {
            RejectionKind::RateLimited => Answer::RateLimited,
            RejectionKind::Unavailable => Answer::Unavailable,
            _ => Answer::Invalid,
        }),
    }
}

/// To the nanosecond: a credential as old as another one is no older on any node.
fn since(moment: SystemTime) -> Duration {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

fn moment(since: Duration) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(since)
}
